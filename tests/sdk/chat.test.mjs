// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { assertHas, refused, ts } from './support/expect.mjs';
import { Throngd } from './support/throngd.mjs';
import { call, createChannel, createWorkspace, installBot } from './support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme', ['alice', 'bob', 'carol']);
const { alice, bob, carol } = acme.people;
const robot = await installBot(acme, 'robot');
const channel = await createChannel(alice, 'chat', [bob, robot]);
const unknown = 'C0NOSUCH0001';
const neverTs = '1700000000.000100';

const post = (who, args) => who.web.chat.postMessage({ channel: channel.id, ...args });
async function stored(posted) {
  const { messages } = await alice.web.conversations.history({ channel: channel.id, latest: posted.ts, inclusive: true, limit: 1 });
  assert.equal(messages[0]?.ts, posted.ts, 'the message is in history');
  return messages[0];
}

describe('chat', () => {
  after(() => server.stop());

  describe('postMessage', () => {
    it('answers the message as it is stored', async () => {
      const posted = await post(alice, { text: 'hello' });
      assertHas(posted, { ok: true, channel: channel.id, ts, message: { type: 'message', user: alice.id, text: 'hello', ts: posted.ts, team: acme.id } });
      assertHas(await stored(posted), { type: 'message', user: alice.id, text: 'hello' });
    });

    it('escapes what is not markup and keeps markup', async () => {
      const cases = [
        ['1 < 2 & 3 > 2', '1 &lt; 2 &amp; 3 &gt; 2'],
        ['already &lt;escaped&gt; &amp; fine', 'already &lt;escaped&gt; &amp; fine'],
        [`hi <@${bob.id}> in <#${acme.general}|general> <!here>`, `hi <@${bob.id}> in <#${acme.general}|general> <!here>`],
        ['see <https://example.test/a?b=1|the page>', 'see <https://example.test/a?b=1|the page>'],
        ['grüße 日本 🎉', 'grüße 日本 🎉'],
        ['two\nlines\tand a tab', 'two\nlines\tand a tab'],
      ];
      for (const [text, expected] of cases) assert.equal((await stored(await post(alice, { text }))).text, expected);
    });

    it('finds the channel by name too', async () => {
      assert.equal((await alice.web.chat.postMessage({ channel: '#chat', text: 'by name' })).channel, channel.id);
      assert.equal((await alice.web.chat.postMessage({ channel: 'chat', text: 'by name' })).channel, channel.id);
    });

    it('keeps blocks, attachments and metadata as they were sent', async () => {
      const blocks = [
        { type: 'section', block_id: 'b1', text: { type: 'mrkdwn', text: 'a *b* <@U1> & more', verbatim: true } },
        { type: 'actions', block_id: 'b2', elements: [{ type: 'button', action_id: 'a1', text: { type: 'plain_text', text: 'Go', emoji: true }, value: 'v', unheard_of: { deep: [1, 2.5, null, 'x'] } }] },
      ];
      const attachments = [{ id: 1, fallback: 'f', color: '36a64f', pretext: 'p', title: 't', text: 'body & more', fields: [{ title: 'k', value: 'v', short: true }], mrkdwn_in: ['text'], footer: 'ft' }];
      const metadata = { event_type: 'task_created', event_payload: { id: 11, name: 'x' } };
      const message = await stored(await post(robot, { text: 'fallback', blocks, attachments, metadata }));
      assert.deepEqual(message.blocks, blocks);
      assert.deepEqual(message.attachments, attachments);
      const { messages } = await alice.web.conversations.history({ channel: channel.id, latest: message.ts, inclusive: true, limit: 1, include_all_metadata: true });
      assertHas(messages[0].metadata, { event_type: 'task_created' });
      assert.deepEqual((await post(alice, { blocks })).message.blocks, blocks);
      assert.deepEqual((await post(alice, { text: '', attachments })).message.attachments, attachments);
    });

    it('takes a bot\'s own name and icon for one message', async () => {
      const posted = await post(robot, { text: 'dressed up', username: 'Santa', icon_emoji: ':santa:' });
      assertHas(posted.message, { subtype: 'bot_message', bot_id: robot.bot, username: 'Santa', icons: { emoji: ':santa:' } });
      const plain = await post(robot, { text: 'plain' });
      assertHas(plain.message, { bot_id: robot.bot, user: robot.id, app_id: robot.app, bot_profile: { id: robot.bot, name: 'robot' } });
    });

    it('the same client_msg_id is posted once', async () => {
      const client_msg_id = '3f0ab1f4-6c7e-4d0e-9d5e-6a2b1c0d9e8f';
      const first = await alice.web.apiCall('chat.postMessage', { channel: channel.id, text: 'once', client_msg_id });
      const second = await alice.web.apiCall('chat.postMessage', { channel: channel.id, text: 'once', client_msg_id });
      assert.equal(second.ts, first.ts);
      const { messages } = await alice.web.conversations.history({ channel: channel.id, oldest: first.ts, inclusive: true });
      assert.equal(messages.filter((m) => m.client_msg_id === client_msg_id).length, 1);
    });

    it('refuses what cannot be posted, each with its code', async () => {
      await refused(alice.web.chat.postMessage({ channel: unknown, text: 'x' }), 'channel_not_found');
      await refused(post(alice, {}), 'no_text');
      await refused(post(alice, { text: '' }), 'no_text');
      await refused(post(carol, { text: 'not a member' }), 'not_in_channel');
      await refused(post(alice, { text: 'x'.repeat(40_001) }), 'msg_too_long');
      await refused(post(alice, { blocks: '{"not":"a list"}' }), /* both are Slack's */ 'invalid_blocks_format');
      await refused(post(alice, { text: 'x', blocks: '[{"type":' }), 'invalid_blocks_format');
      await refused(post(alice, { text: 'x', blocks: [{ no_type: true }] }), 'invalid_blocks');
      await refused(post(alice, { text: 'x', blocks: Array.from({ length: 51 }, () => ({ type: 'divider' })) }), 'invalid_blocks');
      await refused(post(alice, { text: 'x', attachments: '"text"' }), 'invalid_attachments');
      await refused(post(alice, { text: 'x', attachments: Array.from({ length: 101 }, () => ({ text: 'a' })) }), 'too_many_attachments');
      await refused(post(alice, { text: 'x', thread_ts: neverTs }), 'thread_not_found');
    });

    it('posts exactly at the limit', async () => {
      const text = 'é'.repeat(40_000);
      assert.equal((await stored(await post(alice, { text }))).text, text);
    });

    it('refuses a missing channel and a channel of the wrong type', async () => {
      for (const args of [{ text: 'x' }, { text: 'x', channel: '' }]) {
        const { error } = await call(server, 'chat.postMessage', args, { token: alice.token });
        assert.match(error, /^(missing_argument|invalid_arguments|channel_not_found)$/);
      }
    });
  });

  describe('threads', () => {
    it('a reply belongs to its root, also when it answers a reply', async () => {
      const root = await post(alice, { text: 'root' });
      const reply = await post(bob, { text: 'reply', thread_ts: root.ts });
      assertHas(reply.message, { thread_ts: root.ts, parent_user_id: alice.id });
      const nested = await post(alice, { text: 'nested', thread_ts: reply.ts });
      assert.equal(nested.message.thread_ts, root.ts);
      const { messages } = await bob.web.conversations.replies({ channel: channel.id, ts: reply.ts });
      assert.deepEqual(messages.map((m) => m.text), ['root', 'reply', 'nested']);
    });

    it('a broadcast reply is in the thread and in the channel', async () => {
      const root = await post(alice, { text: 'broadcast root' });
      const reply = await post(bob, { text: 'for all', thread_ts: root.ts, reply_broadcast: true });
      assertHas(reply.message, { subtype: 'thread_broadcast', thread_ts: root.ts });
      assertHas(await stored(reply), { subtype: 'thread_broadcast', text: 'for all', root: { ts: root.ts } });
    });

    it('deleting a reply lowers the count', async () => {
      const root = await post(alice, { text: 'counted' });
      const one = await post(alice, { text: 'one', thread_ts: root.ts });
      await post(alice, { text: 'two', thread_ts: root.ts });
      assertHas(await stored(root), { reply_count: 2 });
      await alice.web.chat.delete({ channel: channel.id, ts: one.ts });
      assertHas(await stored(root), { reply_count: 1 });
    });
  });

  describe('update and delete', () => {
    it('update changes text and blocks and marks the message as edited', async () => {
      const posted = await post(alice, { text: 'before', blocks: [{ type: 'divider' }] });
      const updated = await alice.web.chat.update({ channel: channel.id, ts: posted.ts, text: 'after & more' });
      assertHas(updated, { channel: channel.id, ts: posted.ts, text: 'after &amp; more', message: { text: 'after &amp; more', edited: { user: alice.id, ts } } });
      assertHas(await stored(posted), { text: 'after &amp; more', edited: { user: alice.id } });
      const blocks = [{ type: 'section', text: { type: 'mrkdwn', text: 'new' } }];
      assert.deepEqual((await alice.web.chat.update({ channel: channel.id, ts: posted.ts, text: 't', blocks })).message.blocks, blocks);
    });

    it('update and delete refuse strangers\' messages and missing ones', async () => {
      const posted = await post(alice, { text: 'mine' });
      await refused(robot.web.chat.update({ channel: channel.id, ts: posted.ts, text: 'theirs' }), 'cant_update_message');
      await refused(bob.web.chat.update({ channel: channel.id, ts: posted.ts, text: 'theirs' }), 'cant_update_message');
      await refused(robot.web.chat.delete({ channel: channel.id, ts: posted.ts }), 'cant_delete_message');
      await refused(bob.web.chat.delete({ channel: channel.id, ts: posted.ts }), 'cant_delete_message');
      for (const method of ['update', 'delete']) {
        await refused(alice.web.chat[method]({ channel: channel.id, ts: neverTs, text: 'x' }), 'message_not_found');
        await refused(alice.web.chat[method]({ channel: unknown, ts: posted.ts, text: 'x' }), 'channel_not_found');
      }
      await refused(alice.web.chat.update({ channel: channel.id, ts: posted.ts, text: 'x'.repeat(40_001) }), 'msg_too_long');
      await refused(alice.web.chat.update({ channel: channel.id, ts: posted.ts }), 'no_text');
      assert.equal((await stored(posted)).text, 'mine');
    });

    it('a deleted message is gone, and cannot be deleted twice', async () => {
      const posted = await post(alice, { text: 'gone' });
      assertHas(await alice.web.chat.delete({ channel: channel.id, ts: posted.ts }), { channel: channel.id, ts: posted.ts });
      const { messages } = await alice.web.conversations.history({ channel: channel.id, oldest: posted.ts, inclusive: true });
      assert.ok(!messages.some((m) => m.ts === posted.ts));
      await refused(alice.web.chat.delete({ channel: channel.id, ts: posted.ts }), 'message_not_found');
      await refused(alice.web.chat.update({ channel: channel.id, ts: posted.ts, text: 'x' }), 'message_not_found');
    });
  });

  describe('postEphemeral, meMessage, getPermalink', () => {
    it('an ephemeral message is not stored', async () => {
      const answer = await alice.web.chat.postEphemeral({ channel: channel.id, user: bob.id, text: 'only you' });
      assertHas(answer, { ok: true, message_ts: ts });
      const { messages } = await alice.web.conversations.history({ channel: channel.id, limit: 1000 });
      assert.ok(!messages.some((m) => m.text === 'only you'));
      await refused(alice.web.chat.postEphemeral({ channel: channel.id, user: carol.id, text: 'x' }), 'user_not_in_channel');
      await refused(alice.web.chat.postEphemeral({ channel: unknown, user: bob.id, text: 'x' }), 'channel_not_found');
      await refused(alice.web.chat.postEphemeral({ channel: channel.id, user: bob.id, text: '' }), 'no_text');
    });

    it('meMessage', async () => {
      const posted = await alice.web.chat.meMessage({ channel: channel.id, text: 'waves' });
      assertHas(await stored(posted), { subtype: 'me_message', text: 'waves', user: alice.id });
      await refused(alice.web.chat.meMessage({ channel: unknown, text: 'x' }), 'channel_not_found');
      await refused(carol.web.chat.meMessage({ channel: channel.id, text: 'x' }), 'not_in_channel');
      await refused(alice.web.chat.meMessage({ channel: channel.id, text: '' }), 'no_text');
    });

    it('getPermalink names channel and message, and the root of a reply', async () => {
      const root = await post(alice, { text: 'linked' });
      const { permalink } = await alice.web.chat.getPermalink({ channel: channel.id, message_ts: root.ts });
      assert.ok(permalink.endsWith(`/archives/${channel.id}/p${root.ts.replace('.', '')}`), permalink);
      const reply = await post(alice, { text: 'reply', thread_ts: root.ts });
      const link = new URL((await alice.web.chat.getPermalink({ channel: channel.id, message_ts: reply.ts })).permalink);
      assert.equal(link.searchParams.get('thread_ts'), root.ts);
      await refused(alice.web.chat.getPermalink({ channel: channel.id, message_ts: neverTs }), 'message_not_found');
      await refused(alice.web.chat.getPermalink({ channel: unknown, message_ts: root.ts }), 'channel_not_found');
    });
  });
});
