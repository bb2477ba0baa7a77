// SPDX-License-Identifier: Apache-2.0
// paginate() of the SDK walks every list to its end: each item once, none missing, whatever the page size.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Throngd } from './support/throngd.mjs';
import { generations, webClient } from './support/slack.mjs';
import { addPerson, createChannel, createWorkspace } from './support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme', ['alice']);
const { alice } = acme.people;
const people = [];
for (let i = 0; i < 11; ++i) people.push(await addPerson(acme, `person${i}`));
const { id: channel } = await createChannel(alice, 'paged', people);
for (let i = 0; i < 7; ++i) await createChannel(alice, `other-${i}`);
const posts = [];
for (let i = 0; i < 23; ++i) posts.push((await alice.web.chat.postMessage({ channel, text: `${i}` })).ts);
const replies = [];
for (let i = 0; i < 7; ++i) replies.push((await alice.web.chat.postMessage({ channel, text: `r${i}`, thread_ts: posts[0] })).ts);
for (const timestamp of posts.slice(0, 7)) await alice.web.reactions.add({ channel, timestamp, name: 'eyes' });

async function collect(client, method, args, key, id) {
  const items = [];
  let pages = 0;
  for await (const page of client.paginate(method, args)) {
    assert.ok(page[key].length <= args.limit, `${page[key].length} items on a page of ${args.limit}`);
    items.push(...page[key].map(id));
    if (++pages > 100) assert.fail(`${method} never ends`);
  }
  return { items, pages };
}

const lists = [
  ['conversations.list', {}, 'channels', (c) => c.id, 9],
  ['users.conversations', { types: 'public_channel' }, 'channels', (c) => c.id, 9],
  ['conversations.members', { channel }, 'members', (m) => m, 12],
  ['users.list', {}, 'members', (m) => m.id, 13],
  ['reactions.list', {}, 'items', (i) => i.message.ts, 7],
];

describe('paging', () => {
  after(() => server.stop());

  for (const generation of Object.keys(generations)) {
    const client = webClient(server.client, alice.token, { generation });
    for (const [method, args, key, id, count] of lists) {
      it(`${method} with SDK ${generation}: ${count} items in pages of 2, of 5 and in one`, async () => {
        for (const limit of [2, 5, 200]) {
          const { items, pages } = await collect(client, method, { ...args, limit }, key, id);
          assert.equal(new Set(items).size, items.length, 'nothing twice');
          assert.equal(items.length, count);
          assert.ok(pages >= Math.ceil(count / limit));
        }
      });
    }

    it(`conversations.history with SDK ${generation}: newest first over all pages`, async () => {
      const { items } = await collect(client, 'conversations.history', { channel, limit: 5 }, 'messages', (m) => m);
      assert.deepEqual(items.filter((m) => !m.subtype).map((m) => m.ts), [...posts].reverse());
    });

    it(`conversations.replies with SDK ${generation}: every reply once, oldest first`, async () => {
      const seen = [];
      for await (const page of client.paginate('conversations.replies', { channel, ts: posts[0], limit: 3 })) seen.push(...page.messages.map((m) => m.ts));
      assert.deepEqual([...new Set(seen)], [posts[0], ...replies]);
    });
  }

  it('pages stay whole while somebody posts', async () => {
    const seen = [];
    for await (const page of alice.web.paginate('conversations.history', { channel, limit: 5 })) {
      seen.push(...page.messages.filter((m) => !m.subtype).map((m) => m.ts));
      await alice.web.chat.postMessage({ channel, text: 'meanwhile' });
    }
    assert.deepEqual(seen.filter((t) => posts.includes(t)), [...posts].reverse());
    assert.equal(new Set(seen).size, seen.length);
  });

  it('a limit of 5000 is clamped, 0 takes the default', async () => {
    for (const limit of [5000, 0, 2 ** 31, 999999999999]) {
      assert.ok((await alice.web.apiCall('conversations.history', { channel, limit })).messages.length > 20, `limit ${limit}`);
    }
  });
});
