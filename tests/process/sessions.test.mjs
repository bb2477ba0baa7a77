// SPDX-License-Identifier: Apache-2.0
// How many sessions one person may have: past that the oldest without a socket makes room, and sockets are left alone.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { eventually } from '../sdk/support/deadline.mjs';
import { Socket, resumeWith } from '../sdk/support/socket.mjs';
import { Throngd } from '../sdk/support/throngd.mjs';
import { call, createWorkspace, installBot } from '../sdk/support/workspace.mjs';

const server = await Throngd.start({ settings: { sessions: { per_user_max: 3 } } });
const acme = await createWorkspace(server, 'acme');
const { alice, bob } = acme.people;

describe('more sessions than a person may have', () => {
  after(() => server.stop());

  it('a bot that connects and crashes all the time is never locked out, and its newest session can be resumed', async () => {
    const bot = await installBot(acme, 'crashbot');
    let last;
    for (let life = 0; life < 20; ++life) {
      last = await Socket.connect(bot);
      last.cut();
      await last.closed;
    }
    const back = await Socket.connect(bot, resumeWith(last.boot.session, last.frames));
    assert.equal(back.boot.resumed, true);
    await back.close();
  });

  it('one that asks for addresses and never comes is not locked out either', async () => {
    for (let i = 0; i < 20; ++i) assert.ok((await bob.web.rtm.connect()).url);
    await (await Socket.connect(bob)).close();
  });

  it('sockets that are open are left alone: one more is refused until one of them goes', async () => {
    const sockets = [];
    for (let i = 0; i < 3; ++i) sockets.push(await Socket.connect(alice));
    const refused = await call(server, 'rtm.connect', {}, { token: alice.token });
    assert.equal(refused.ok, false);
    assert.equal(refused.error, 'service_unavailable');
    const { ts } = await bob.web.chat.postMessage({ channel: acme.general, text: 'still there?' });
    for (const socket of sockets) await socket.expect({ type: 'message', ts });

    sockets[1].cut();
    await sockets[1].closed;
    // The server sees the end of a socket a moment later.
    await eventually('room for one more', async () => (await call(server, 'rtm.connect', {}, { token: alice.token })).ok);
    const gone = await call(server, 'rtm.connect', { session: sockets[1].boot.session }, { token: alice.token });
    assert.equal(gone.resumed, false);
    for (const socket of [sockets[0], sockets[2]]) await socket.close();
  });
});
