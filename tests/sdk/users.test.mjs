// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { eventually } from './support/deadline.mjs';
import { assertHas, ids, refused } from './support/expect.mjs';
import { Listener } from './support/listener.mjs';
import { Throngd } from './support/throngd.mjs';
import { createWorkspace, installBot } from './support/workspace.mjs';

const server = await Throngd.start({ settings: { presence: { flap_delay: '50ms' } } }); // it waits for a quick return
const acme = await createWorkspace(server, 'acme', ['alice', 'bob', 'carol']);
const { alice, bob, carol } = acme.people;
const robot = await installBot(acme, 'robot');
const unknown = 'U0NOSUCH0001';

describe('users', () => {
  after(() => server.stop());

  it('info shows a person', async () => {
    assertHas(await bob.web.users.info({ user: alice.id, include_locale: true }), { ok: true, user: {
      id: alice.id, team_id: acme.id, name: 'alice', deleted: false, real_name: 'Alice Example', is_bot: false, is_restricted: false,
      is_ultra_restricted: false, is_app_user: false, tz: (v) => v.length > 0, tz_offset: Number.isInteger, updated: Number.isInteger, locale: /^[a-z]{2}-[A-Z]{2}$/,
      color: /^[0-9a-f]{6}$/,
      profile: { real_name: 'Alice Example', real_name_normalized: 'Alice Example', email: alice.email, team: acme.id },
    } });
    await refused(bob.web.users.info({ user: unknown }), 'user_not_found');
    await refused(bob.web.users.info({ user: 'rubbish' }), 'user_not_found');
  });

  it('info shows a bot', async () => {
    assertHas(await bob.web.users.info({ user: robot.id }), { user: { id: robot.id, is_bot: true, name: 'robot', profile: { bot_id: robot.bot, api_app_id: robot.app } } });
  });

  it('list has everyone, bots and USLACKBOT', async () => {
    const { members, cache_ts } = await alice.web.users.list({ limit: 1000 });
    assert.ok(Number.isInteger(cache_ts));
    assert.deepEqual(new Set(members.map((m) => m.id)), new Set([alice.id, bob.id, carol.id, robot.id, 'USLACKBOT']));
    assertHas(members.find((m) => m.id === 'USLACKBOT'), { name: 'slackbot', real_name: 'Slackbot', is_bot: false });
    await refused(alice.web.users.list({ cursor: 'rubbish' }), 'invalid_cursor');
  });

  it('everyone has a direct message with USLACKBOT', async () => {
    const { channel } = await alice.web.conversations.open({ users: 'USLACKBOT', return_im: true });
    assertHas(channel, { id: ids.direct, is_im: true, user: 'USLACKBOT' });
    const { channels } = await bob.web.conversations.list({ types: 'im', limit: 1000 });
    assert.ok(channels.some((c) => c.is_im && c.user === 'USLACKBOT'), 'without being opened');
    assertHas(await alice.web.users.info({ user: 'USLACKBOT' }), { user: { id: 'USLACKBOT' } });
  });

  it('lookupByEmail', async () => {
    assertHas(await bob.web.users.lookupByEmail({ email: alice.email }), { user: { id: alice.id } });
    assertHas(await bob.web.users.lookupByEmail({ email: alice.email.toUpperCase() }), { user: { id: alice.id } });
    await refused(bob.web.users.lookupByEmail({ email: 'nobody@acme.test' }), 'users_not_found');
  });

  it('profile.set changes a status, one field, and several', async () => {
    assertHas(await alice.web.users.profile.set({ profile: { status_text: 'in a meeting', status_emoji: ':calendar:', status_expiration: 0 } }),
      { profile: { status_text: 'in a meeting', status_emoji: ':calendar:' } });
    assertHas(await bob.web.users.profile.get({ user: alice.id }), { profile: { status_text: 'in a meeting', status_emoji: ':calendar:' } });
    await alice.web.users.profile.set({ name: 'title', value: 'Captain' });
    await alice.web.users.profile.set({ profile: { display_name: 'Ali', first_name: 'Alice', last_name: 'Smith', phone: '+1 555 0100' } });
    assertHas(await alice.web.users.profile.get(), { profile: { title: 'Captain', display_name: 'Ali', display_name_normalized: 'Ali', phone: '+1 555 0100', status_emoji: ':calendar:' } });
    assertHas(await bob.web.users.info({ user: alice.id }), { user: { profile: { display_name: 'Ali', title: 'Captain' } } });
  });

  it('profile.set refuses what is too long, not an emoji, or not an object', async () => {
    await refused(alice.web.users.profile.set({ profile: { status_text: 'é'.repeat(101), status_emoji: ':calendar:' } }), 'profile_status_set_failed_too_long');
    await alice.web.users.profile.set({ profile: { status_text: 'é'.repeat(100), status_emoji: ':calendar:' } });
    await refused(alice.web.users.profile.set({ profile: { status_text: 'x', status_emoji: 'not an emoji' } }), 'profile_status_set_failed_not_valid_emoji');
    await refused(alice.web.users.profile.set({ profile: '[1]' }), 'invalid_profile');
    await refused(alice.web.users.profile.set({ profile: '{"status_text":' }), 'invalid_profile');
    await refused(bob.web.users.profile.get({ user: unknown }), 'user_not_found');
    const answer = await bob.web.users.profile.set({ user: alice.id, profile: { title: 'Fool' } }).then(() => 'ok', (error) => error.data.error);
    assert.match(answer, /^(not_an_admin|cannot_update_admin_user|profile_set_failed|no_permission|not_allowed|not_authorized)$/, 'nobody changes someone else\'s profile');
  });

  it('presence is active with a connection and away without', async () => {
    assertHas(await bob.web.users.getPresence({ user: carol.id }), { presence: 'away' });
    const line = await Listener.connect(server, carol);
    await eventually('carol to be active', async () => (await bob.web.users.getPresence({ user: carol.id })).presence === 'active');
    assertHas(await carol.web.users.getPresence({}), { presence: 'active', online: true, auto_away: false, manual_away: false, connection_count: 1 });
    await carol.web.users.setPresence({ presence: 'away' });
    await eventually('carol to be away by hand', async () => (await bob.web.users.getPresence({ user: carol.id })).presence === 'away');
    assertHas(await carol.web.users.getPresence({}), { presence: 'away', online: true, manual_away: true });
    await carol.web.users.setPresence({ presence: 'auto' });
    await eventually('carol to be active again', async () => (await bob.web.users.getPresence({ user: carol.id })).presence === 'active');
    await line.close();
    await eventually('carol to be away without a connection', async () => (await bob.web.users.getPresence({ user: carol.id })).presence === 'away');
    await refused(carol.web.users.setPresence({ presence: 'asleep' }), 'invalid_presence');
    await refused(carol.web.users.getPresence({ user: unknown }), 'user_not_found');
  });
});
