// SPDX-License-Identifier: Apache-2.0
// Two writers at once, one by the Web API and one by the websocket; everybody reads the same 100 messages in one order.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { eventually } from './support/deadline.mjs';
import { Listener } from './support/listener.mjs';
import { generations } from './support/slack.mjs';
import { Throngd } from './support/throngd.mjs';
import { createChannel, createWorkspace } from './support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme', ['alice', 'bob', 'carol', 'dave']);
const { alice, bob, carol, dave } = acme.people;
const count = 50;

describe('order', () => {
  after(() => server.stop());

  it('50 messages of each of two writers arrive once and in order, over both SDK generations', async () => {
    const { id: channel } = await createChannel(alice, 'order', [bob, carol, dave]);
    const readers = [];
    for (const generation of Object.keys(generations)) readers.push(await Listener.connect(server, carol, { generation }));
    const byApi = async () => {
      for (let i = 0; i < count; ++i) await alice.web.chat.postMessage({ channel, text: `api ${i}` });
    };
    const line = await Listener.connect(server, bob, { generation: 6 });
    const bySocket = () => Promise.all(Array.from({ length: count }, (_, i) => line.rtm.sendMessage(`socket ${i}`, channel)));
    await Promise.all([byApi(), bySocket()]);

    const { messages } = await dave.web.conversations.history({ channel, limit: 1000 });
    const stored = messages.filter((m) => !m.subtype).reverse().map(({ ts, text }) => ({ ts, text }));
    assert.equal(stored.length, 2 * count);
    assert.deepEqual(stored.map((m) => m.ts), [...new Set(stored.map((m) => m.ts))].sort(), 'ts is unique and increasing');
    for (const writer of ['api', 'socket']) {
      assert.deepEqual(stored.map((m) => m.text).filter((t) => t.startsWith(writer)), Array.from({ length: count }, (_, i) => `${writer} ${i}`));
    }
    for (const reader of readers) {
      const seen = () => reader.all('message', { channel }).map(({ ts, text }) => ({ ts, text }));
      await eventually('all messages', () => seen().length >= 2 * count);
      assert.deepEqual(seen(), stored);
    }
  });
});
