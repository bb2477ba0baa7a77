// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { assertHas, refused } from './support/expect.mjs';
import { Throngd } from './support/throngd.mjs';
import { createChannel, createWorkspace } from './support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme');
const { alice, bob } = acme.people;
const { id: channel } = await createChannel(alice, 'reactions', [bob]);
const neverTs = '1700000000.000100';
const postText = async (text) => (await alice.web.chat.postMessage({ channel, text })).ts;

describe('reactions', () => {
  after(() => server.stop());

  it('are counted by name, with their people, in history too', async () => {
    const timestamp = await postText('react to me');
    await alice.web.reactions.add({ channel, timestamp, name: 'thumbsup' });
    await bob.web.reactions.add({ channel, timestamp, name: 'thumbsup' });
    await bob.web.reactions.add({ channel, timestamp, name: ':tada:' });
    const expected = [{ name: 'thumbsup', count: 2, users: [alice.id, bob.id] }, { name: 'tada', count: 1, users: [bob.id] }];
    assertHas(await alice.web.reactions.get({ channel, timestamp, full: true }), { type: 'message', channel, message: { ts: timestamp, reactions: expected } });
    const { messages } = await alice.web.conversations.history({ channel, latest: timestamp, inclusive: true, limit: 1 });
    assertHas(messages[0], { ts: timestamp, reactions: expected });
    await bob.web.reactions.remove({ channel, timestamp, name: 'thumbsup' });
    assertHas(await alice.web.reactions.get({ channel, timestamp }), { message: { reactions: [{ name: 'thumbsup', count: 1, users: [alice.id] }, { name: 'tada', count: 1 }] } });
  });

  it('refuse what makes no sense, each with its code', async () => {
    const timestamp = await postText('react to me too');
    await alice.web.reactions.add({ channel, timestamp, name: 'eyes' });
    await refused(alice.web.reactions.add({ channel, timestamp, name: 'eyes' }), 'already_reacted');
    await refused(bob.web.reactions.remove({ channel, timestamp, name: 'eyes' }), 'no_reaction');
    for (const method of ['add', 'remove']) {
      await refused(alice.web.reactions[method]({ channel, timestamp: neverTs, name: 'eyes' }), 'message_not_found');
      await refused(alice.web.reactions[method]({ channel, timestamp: 'rubbish', name: 'eyes' }), 'bad_timestamp');
    }
    await refused(alice.web.reactions.add({ channel, timestamp, name: 'not a name!' }), 'invalid_name');
    await refused(alice.web.reactions.remove({ channel, timestamp, name: 'not a name!' }), /^(invalid_name|no_reaction)$/);
    await refused(alice.web.reactions.add({ channel: 'C0NOSUCH0001', timestamp, name: 'eyes' }), 'channel_not_found');
    await refused(alice.web.reactions.get({ channel, timestamp: neverTs }), 'message_not_found');
    await refused(alice.web.reactions.get({}), 'no_item_specified');
  });

  it('list names what a person has reacted to', async () => {
    const timestamp = await postText('listed');
    await bob.web.reactions.add({ channel, timestamp, name: 'wave' });
    const { items } = await bob.web.reactions.list({ full: true });
    assertHas(items.find((item) => item.message.ts === timestamp), { type: 'message', channel, message: { text: 'listed', reactions: [{ name: 'wave' }] } });
    assert.ok((await alice.web.reactions.list({ user: bob.id })).items.some((item) => item.message.ts === timestamp));
    await bob.web.reactions.remove({ channel, timestamp, name: 'wave' });
    assert.ok(!(await bob.web.reactions.list({})).items.some((item) => item.message.ts === timestamp));
    await refused(alice.web.reactions.list({ user: 'U0NOSUCH0001' }), 'user_not_found');
  });
});
