// SPDX-License-Identifier: Apache-2.0
// Every event that a method causes, as somebody else's client sees it. Alice acts; Bob, Carol and the bot are connected.
import { after, describe, it } from 'node:test';
import { assertHas, ids, ts } from './support/expect.mjs';
import { Listener } from './support/listener.mjs';
import { Throngd } from './support/throngd.mjs';
import { addPerson, createChannel, createWorkspace, installBot } from './support/workspace.mjs';

const server = await Throngd.start({ settings: { presence: { flap_delay: '50ms' } } });
const acme = await createWorkspace(server, 'acme', ['alice', 'bob', 'carol']);
const { alice, bob, carol } = acme.people;
const robot = await installBot(acme, 'robot');
const main = (await createChannel(alice, 'main', [bob, robot])).id;
const bobSees = await Listener.connect(server, bob);
const aliceSees = await Listener.connect(server, alice);
const carolSees = await Listener.connect(server, carol, { generation: 6 });
const robotSees = await Listener.connect(server, robot);

const post = async (who, args) => (await who.web.chat.postMessage({ channel: main, ...args })).ts;

describe('events', () => {
  after(() => server.stop());

  describe('of messages', () => {
    it('message: to every member, also the sender\'s own connections, and to nobody else', async () => {
      const at = await post(alice, { text: 'for all <&>' });
      const event = await bobSees.expect('message', { ts: at });
      assertHas(event, { channel: main, user: alice.id, text: 'for all &lt;&amp;&gt;', team: acme.id, event_ts: at });
      await aliceSees.expect('message', { ts: at });
      await robotSees.expect('message', { ts: at });
      const fence = (await alice.web.chat.postMessage({ channel: acme.general, text: 'fence' })).ts;
      await carolSees.expect('message', { ts: fence });
      carolSees.hasNot('message', { channel: main });
    });

    it('message of a bot carries its bot_id, blocks and attachments', async () => {
      const blocks = [{ type: 'section', text: { type: 'mrkdwn', text: 'x' }, block_id: 'b' }];
      const at = await post(robot, { text: 'beep', blocks, attachments: [{ text: 'a', fallback: 'a' }] });
      assertHas(await bobSees.expect('message', { ts: at }), { bot_id: robot.bot, user: robot.id, bot_profile: { id: robot.bot, app_id: robot.app }, blocks, attachments: [{ text: 'a' }] });
    });

    it('bot_message: a bot under another name', async () => {
      const at = await post(robot, { text: 'ho', username: 'Santa', icon_emoji: ':santa:' });
      assertHas(await bobSees.expect('message/bot_message', { ts: at }), { bot_id: robot.bot, username: 'Santa', icons: { emoji: ':santa:' } });
    });

    it('message_changed and message_deleted', async () => {
      const at = await post(alice, { text: 'first' });
      await alice.web.chat.update({ channel: main, ts: at, text: 'second' });
      assertHas(await bobSees.expect('message/message_changed', { message: { ts: at } }), { channel: main, hidden: true, ts, event_ts: ts,
        message: { text: 'second', edited: { user: alice.id } }, previous_message: { text: 'first', ts: at } });
      await alice.web.chat.delete({ channel: main, ts: at });
      assertHas(await bobSees.expect('message/message_deleted', { deleted_ts: at }), { channel: main, hidden: true, previous_message: { text: 'second' } });
    });

    it('a reply, message_replied of its root, and thread_broadcast', async () => {
      const root = await post(alice, { text: 'root' });
      const reply = await post(robot, { text: 'reply', thread_ts: root });
      assertHas(await bobSees.expect('message', { ts: reply }), { thread_ts: root, parent_user_id: alice.id });
      assertHas(await bobSees.expect('message/message_replied', { message: { ts: root } }), { channel: main, hidden: true, message: { reply_count: 1, thread_ts: root } });
      const broadcast = await post(alice, { text: 'all', thread_ts: root, reply_broadcast: true });
      assertHas(await bobSees.expect('message/thread_broadcast', { ts: broadcast }), { channel: main, thread_ts: root, root: { ts: root, text: 'root' } });
    });

    it('me_message, and an ephemeral message to one person only', async () => {
      const at = (await alice.web.chat.meMessage({ channel: main, text: 'waves' })).ts;
      assertHas(await bobSees.expect('message/me_message', { ts: at }), { channel: main, user: alice.id, text: 'waves' });
      const { message_ts } = await alice.web.chat.postEphemeral({ channel: main, user: bob.id, text: 'psst' });
      assertHas(await bobSees.expect('message', { text: 'psst' }), { channel: main, ts: message_ts, is_ephemeral: true });
      const fence = await post(alice, { text: 'fence' });
      await robotSees.expect('message', { ts: fence });
      robotSees.hasNot('message', { text: 'psst' });
    });

    it('reaction_added and reaction_removed', async () => {
      const at = await post(alice, { text: 'react' });
      const item = { type: 'message', channel: main, ts: at };
      await robot.web.reactions.add({ channel: main, timestamp: at, name: 'tada' });
      await bobSees.expect('reaction_added', { user: robot.id, reaction: 'tada', item_user: alice.id, item, event_ts: ts });
      await robot.web.reactions.remove({ channel: main, timestamp: at, name: 'tada' });
      await bobSees.expect('reaction_removed', { user: robot.id, reaction: 'tada', item_user: alice.id, item });
    });

    it('pin_added and pin_removed', async () => {
      const at = await post(alice, { text: 'pin me' });
      await alice.web.pins.add({ channel: main, timestamp: at });
      await bobSees.expect('pin_added', { user: alice.id, channel_id: main, item_user: alice.id, item: { type: 'message', channel: main, created_by: alice.id, message: { ts: at, text: 'pin me' } }, event_ts: ts });
      await alice.web.pins.remove({ channel: main, timestamp: at });
      await bobSees.expect('pin_removed', { user: alice.id, channel_id: main, has_pins: false, item: { message: { ts: at } } });
    });
  });

  describe('of channels', () => {
    it('channel_created reaches everybody in the workspace; a private channel is not announced', async () => {
      const secret = await createChannel(alice, 'born-secret', [], { is_private: true });
      const open = await createChannel(alice, 'born-open');
      assertHas(await bobSees.expect('channel_created', { channel: { id: open.id } }), { channel: { name: 'born-open', creator: alice.id }, event_ts: ts });
      await aliceSees.expect('channel_joined', { channel: { id: open.id } });
      await carolSees.expect('channel_created', { channel: { id: open.id } });
      bobSees.hasNot('channel_created', { channel: { id: secret.id } });
    });

    it('joining: channel_joined for oneself, member_joined_channel and channel_join for the others', async () => {
      const { id: channel } = await createChannel(alice, 'joining', [bob]);
      await bobSees.expect('channel_joined', { channel: { id: channel, name: 'joining' } });
      await carol.web.conversations.join({ channel });
      await carolSees.expect('channel_joined', { channel: { id: channel } });
      assertHas(await bobSees.expect('member_joined_channel', { channel, user: carol.id }), { channel_type: 'C', team: acme.id, event_ts: ts });
      assertHas(await bobSees.expect('message/channel_join', { channel, user: carol.id }), { text: new RegExp(carol.id), ts });
      await alice.web.conversations.invite({ channel, users: robot.id });
      await bobSees.expect('member_joined_channel', { channel, user: robot.id, inviter: alice.id });
    });

    it('leaving: channel_left, member_left_channel and channel_leave; a kick names who did it', async () => {
      const { id: channel } = await createChannel(alice, 'leaving', [bob, carol, robot]);
      await carol.web.conversations.leave({ channel });
      await carolSees.expect('channel_left', { channel });
      await bobSees.expect('member_left_channel', { channel, user: carol.id, channel_type: 'C', team: acme.id });
      await bobSees.expect('message/channel_leave', { channel, user: carol.id });
      await alice.web.conversations.kick({ channel, user: robot.id });
      await robotSees.expect('channel_left', { channel, actor_id: alice.id });
      await bobSees.expect('member_left_channel', { channel, user: robot.id });
      const fence = (await alice.web.chat.postMessage({ channel, text: 'without you' })).ts;
      await bobSees.expect('message', { ts: fence });
      const later = (await alice.web.chat.postMessage({ channel: acme.general, text: 'fence' })).ts;
      await carolSees.expect('message', { ts: later });
      carolSees.hasNot('message', { channel, ts: fence });
    });

    it('topic, purpose and name: a message each, and channel_rename', async () => {
      const { id: channel } = await createChannel(alice, 'changing', [bob]);
      await alice.web.conversations.setTopic({ channel, topic: 'new topic' });
      await bobSees.expect('message/channel_topic', { channel, user: alice.id, topic: 'new topic' });
      await alice.web.conversations.setPurpose({ channel, purpose: 'new purpose' });
      await bobSees.expect('message/channel_purpose', { channel, user: alice.id, purpose: 'new purpose' });
      await alice.web.conversations.rename({ channel, name: 'changed' });
      await bobSees.expect('message/channel_name', { channel, user: alice.id, old_name: 'changing', name: 'changed' });
      await bobSees.expect('channel_rename', { channel: { id: channel, name: 'changed' }, event_ts: ts });
    });

    it('archive and unarchive: a message and an event each', async () => {
      const { id: channel } = await createChannel(alice, 'archiving', [bob]);
      await alice.web.conversations.archive({ channel });
      await bobSees.expect('message/channel_archive', { channel, user: alice.id });
      await bobSees.expect('channel_archive', { channel, user: alice.id });
      await alice.web.conversations.unarchive({ channel });
      await bobSees.expect('message/channel_unarchive', { channel, user: alice.id });
      await bobSees.expect('channel_unarchive', { channel, user: alice.id });
    });

    it('of a private channel: the same under group_ names, to members only', async () => {
      const { id: channel } = await createChannel(alice, 'grouped', [bob], { is_private: true });
      await bobSees.expect('group_joined', { channel: { id: channel, is_private: true } });
      await alice.web.conversations.setTopic({ channel, topic: 'private topic' });
      await bobSees.expect('message/channel_topic', { channel, topic: 'private topic' });
      await alice.web.conversations.rename({ channel, name: 'regrouped' });
      await bobSees.expect('group_rename', { channel: { id: channel, name: 'regrouped' } });
      await alice.web.conversations.archive({ channel });
      await bobSees.expect('group_archive', { channel });
      await alice.web.conversations.unarchive({ channel });
      await bobSees.expect('group_unarchive', { channel });
      const { ts: at } = await alice.web.chat.postMessage({ channel, text: 'read me' });
      await bob.web.conversations.mark({ channel, ts: at });
      await bobSees.expect('group_marked', { channel, ts: at });
      await bob.web.conversations.leave({ channel });
      await bobSees.expect('group_left', { channel });
      const fence = (await alice.web.chat.postMessage({ channel: acme.general, text: 'fence' })).ts;
      await carolSees.expect('message', { ts: fence });
      for (const name of ['group_joined', 'group_rename']) carolSees.hasNot(name, { channel: { id: channel } });
      for (const name of ['group_archive', 'member_left_channel', 'message']) carolSees.hasNot(name, { channel });
    });

    it('mark: channel_marked to one\'s own other connections', async () => {
      const at = await post(alice, { text: 'unread' });
      await bobSees.expect('message', { ts: at });
      await bob.web.conversations.mark({ channel: main, ts: at });
      await bobSees.expect('channel_marked', { channel: main, ts: at });
    });
  });

  describe('of direct messages', () => {
    it('im_created, im_marked, im_close and im_open', async () => {
      const { channel: { id: channel } } = await alice.web.conversations.open({ users: carol.id });
      await aliceSees.expect('im_created', { user: carol.id, channel: { id: channel } });
      const { ts: at } = await alice.web.chat.postMessage({ channel, text: 'hi' });
      await carolSees.expect('im_created', { user: alice.id, channel: { id: channel } });
      assertHas(await carolSees.expect('message', { ts: at }), { channel, user: alice.id, text: 'hi' });
      await carol.web.conversations.mark({ channel, ts: at });
      await carolSees.expect('im_marked', { channel, ts: at });
      await alice.web.conversations.close({ channel });
      await aliceSees.expect('im_close', { user: alice.id, channel });
      await alice.web.conversations.open({ users: carol.id });
      await aliceSees.expect('im_open', { user: alice.id, channel });
    });

    it('a direct message for three: group_joined, group_close, group_open, and its messages', async () => {
      const { channel: { id: channel } } = await alice.web.conversations.open({ users: `${bob.id},${carol.id}` });
      await aliceSees.expect('group_joined', { channel: { id: channel, is_mpim: true } });
      const { ts: at } = await alice.web.chat.postMessage({ channel, text: 'three of us' });
      await bobSees.expect('message', { channel, ts: at });
      await carolSees.expect('message', { channel, ts: at });
      await alice.web.conversations.close({ channel });
      await aliceSees.expect('group_close', { channel });
      await alice.web.conversations.open({ channel });
      await aliceSees.expect('group_open', { channel });
    });
  });

  describe('of people', () => {
    it('team_join: a new person', async () => {
      const dave = await addPerson(acme, 'dave');
      assertHas(await bobSees.expect('team_join', { user: { id: dave.id } }), { user: { name: 'dave', team_id: acme.id } });
      await bobSees.expect('member_joined_channel', { user: dave.id, channel: acme.general });
    });

    it('user_change: a profile', async () => {
      await alice.web.users.profile.set({ profile: { status_text: 'away fishing', status_emoji: ':fish:' } });
      assertHas(await bobSees.expect('user_change', { user: { id: alice.id, profile: { status_text: 'away fishing' } } }), { cache_ts: Number.isInteger });
    });

    it('bot_added: an app is installed', async () => {
      const second = await installBot(acme, 'second');
      await bobSees.expect('bot_added', { bot: { id: second.bot, app_id: second.app, name: 'second' } });
    });

    it('dnd_updated for oneself, dnd_updated_user for the others', async () => {
      await alice.web.dnd.setSnooze({ num_minutes: 5 });
      await aliceSees.expect('dnd_updated', { user: alice.id, dnd_status: { snooze_enabled: true } });
      await bobSees.expect('dnd_updated_user', { user: alice.id, dnd_status: { dnd_enabled: (v) => typeof v === 'boolean' } });
    });

    it('manual_presence_change for oneself, presence_change for those who subscribed', async () => {
      await bobSees.rtm.subscribePresence([alice.id]);
      await bobSees.expect('presence_change', { presence: 'active', user: alice.id });
      await alice.web.users.setPresence({ presence: 'away' });
      await aliceSees.expect('manual_presence_change', { presence: 'away' });
      await bobSees.expect('presence_change', { presence: 'away', user: alice.id });
      await alice.web.users.setPresence({ presence: 'auto' });
      await aliceSees.expect('manual_presence_change', { presence: 'active' });
      await bobSees.expect('presence_change', { presence: 'active', user: alice.id });
    });
  });

  it('every numbered event of a stream came to Bob exactly once, in order', () => {
    const last = new Map();
    let count = 0;
    for (const { name, event } of bobSees.received) {
      if (event.seq === undefined) continue;
      assertHas(event, { stream: (s) => ids.channel.test(s) || ids.team.test(s) || ids.user.test(s) || /^[DG]/.test(s), epoch: Number.isInteger });
      const before = last.get(event.stream);
      if (before !== undefined && event.seq !== before + 1) throw new Error(`${name} of ${event.stream}: seq ${event.seq} after ${before}`);
      last.set(event.stream, event.seq);
      count += 1;
    }
    if (count < 50) throw new Error(`only ${count} numbered events`);
  });
});
