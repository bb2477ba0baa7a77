// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { assertHas, refused, seconds } from './support/expect.mjs';
import { Throngd } from './support/throngd.mjs';
import { createChannel, createWorkspace } from './support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme');
const { alice, bob } = acme.people;
const { id: channel } = await createChannel(alice, 'pins', [bob]);
const unknown = 'C0NOSUCH0001';
const neverTs = '1700000000.000100';

describe('pins', () => {
  after(() => server.stop());

  it('are listed and counted by history', async () => {
    const posts = [];
    for (const text of ['one', 'two']) posts.push((await alice.web.chat.postMessage({ channel, text })).ts);
    for (const timestamp of posts) await bob.web.pins.add({ channel, timestamp });
    const { items } = await alice.web.pins.list({ channel });
    items.sort((a, b) => (a.message.ts < b.message.ts ? 1 : -1));
    assertHas(items, [
      { type: 'message', channel, created: seconds, created_by: bob.id, message: { text: 'two', ts: posts[1], pinned_to: [channel] } },
      { type: 'message', channel, created_by: bob.id, message: { text: 'one', ts: posts[0] } },
    ]);
    assert.equal((await alice.web.conversations.history({ channel })).pin_count, 2);
    await alice.web.pins.remove({ channel, timestamp: posts[0] });
    assertHas((await alice.web.pins.list({ channel })).items, [{ message: { ts: posts[1] } }]);
  });

  it('of a deleted message disappear', async () => {
    const { ts: timestamp } = await alice.web.chat.postMessage({ channel, text: 'short-lived' });
    await alice.web.pins.add({ channel, timestamp });
    await alice.web.chat.delete({ channel, ts: timestamp });
    assert.ok(!(await alice.web.pins.list({ channel })).items.some((item) => item.message.ts === timestamp));
  });

  it('refuse what makes no sense, each with its code', async () => {
    const { ts: timestamp } = await alice.web.chat.postMessage({ channel, text: 'x' });
    await refused(alice.web.pins.remove({ channel, timestamp }), 'no_pin');
    await alice.web.pins.add({ channel, timestamp });
    await refused(bob.web.pins.add({ channel, timestamp }), 'already_pinned');
    for (const method of ['add', 'remove']) {
      await refused(alice.web.pins[method]({ channel: unknown, timestamp }), 'channel_not_found');
      await refused(alice.web.pins[method]({ channel, timestamp: neverTs }), 'message_not_found');
      await refused(alice.web.pins[method]({ channel }), 'no_item_specified');
    }
    await refused(alice.web.pins.add({ channel, timestamp: 'rubbish' }), 'bad_timestamp');
    await refused(alice.web.pins.list({ channel: unknown }), 'channel_not_found');
  });
});
