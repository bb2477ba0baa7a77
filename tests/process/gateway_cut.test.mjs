// SPDX-License-Identifier: Apache-2.0
// A gateway that is cut off from the other nodes, while its clients still reach it: they come back at another one under the
// same sessions, and over the sockets that they had nothing more can be said or heard.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { eventually, within } from '../sdk/support/deadline.mjs';
import { ScriptCluster } from '../sdk/support/script_cluster.mjs';
import { webClient } from '../sdk/support/slack.mjs';
import { Socket, resumeWith } from '../sdk/support/socket.mjs';
import { addPerson, createWorkspace } from '../sdk/support/workspace.mjs';
import { patiently } from '../sdk/support/writers.mjs';

const cluster = await ScriptCluster.up('3', '--mysql', '1x1');
const { n1, n2, n3 } = cluster.nodes;
const acme = await createWorkspace(n1, 'acme', ['alice']);
const { alice } = acme.people;
const people = [];
for (let i = 0; i < 9; ++i) people.push(await addPerson(acme, `person${i}`));
const at = (node, person) => ({ ...person, web: webClient(node.client, person.token) });

describe('a gateway that is cut off', () => {
  after(() => cluster.down());

  it('loses its clients\' sessions to the one where they come back', { timeout: 150_000 }, async () => {
    const channel = acme.general;
    let count = 0;
    const post = async (node) => {
      const text = `post ${++count}`;
      const message = { channel, text, client_msg_id: `id-${count}` };
      await patiently(text, () => at(node, alice).web.chat.postMessage(message));
      return text;
    };
    const has = (socket, text) => socket.frames.some((f) => f.text === text);
    const before = await Promise.all(people.map((person) => Socket.connect(at(n3, person))));
    const first = await post(n1);
    for (const socket of before) await eventually('the first post', () => has(socket, first));

    await cluster.fine('cut', 'n3', 'n1');
    await cluster.fine('cut', 'n3', 'n2');
    const texts = [first, await post(n1)]; // waits until the channel is on one of the majority
    const second = await Promise.all(people.map(async (person, i) => {
      const args = resumeWith(before[i].boot.session, before[i].frames);
      const socket = await patiently(`${person.name} to connect`, () => Socket.connect(at([n1, n2][i % 2], person), args));
      assert.equal(socket.boot.session, before[i].boot.session);
      assert.equal(socket.boot.resumed, true);
      return socket;
    }));
    texts.push(await post(n2));
    for (const socket of second) await eventually('the last post', () => has(socket, texts[2]));
    for (const socket of before) {
      if (socket.ws.readyState === 1) socket.send({ id: 1, type: 'message', channel, text: 'from the past' });
      await within('the older socket to be closed', socket.closed, 30_000);
      assert.ok(!has(socket, texts[1]) && !has(socket, texts[2]), 'nothing of what came after the cut');
    }
    await cluster.fine('heal');
    await cluster.settled(['n1', 'n2', 'n3'], 60_000);
    const last = await post(n3);
    for (const [i, socket] of second.entries()) {
      await eventually('a post over the healed cluster', () => has(socket, last));
      const heard = [...before[i].frames, ...socket.frames].filter((f) => f.type === 'message' && !f.subtype && f.channel === channel).map((f) => f.text);
      assert.deepEqual(heard, [...texts, last]);
      await socket.close();
    }
  });
});
