// SPDX-License-Identifier: Apache-2.0
// Every argument of every method with values of the wrong kind, as form and as JSON: always an answer with a reason that
// blames the caller, never internal_error, a 5xx or silence.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Bystander } from '../sdk/support/bystander.mjs';
import { Throngd } from '../sdk/support/throngd.mjs';
import { createChannel, createWorkspace, installBot, signIn } from '../sdk/support/workspace.mjs';

// rtm.connect leaves a session behind each time.
const server = await Throngd.start({ settings: { sessions: { per_user_max: 10_000 } } });
const acme = await createWorkspace(server, 'acme', ['alice', 'bob', 'victim']);
const { alice, bob, victim } = acme.people;
const robot = await installBot(acme, 'robot');
const { id: channel } = await createChannel(victim, 'target', [bob]);
const { ts } = await victim.web.chat.postMessage({ channel, text: 'x' });
const bystander = await Bystander.join(bob, acme.general);

const user = bob.id;
const timestamp = ts;
const page = { limit: 1, cursor: '' };
const methods = {
  'api.test': { error: '', foo: 'bar' },
  'auth.test': {}, 'auth.teams.list': { ...page, include_icon: true },
  'rtm.connect': { batch_presence_aware: true, presence_sub: true, session: '', cursors: '' },
  'rtm.start': { no_latest: true, no_unreads: true, simple_latest: true, mpim_aware: true, presence_sub: true },
  'conversations.list': { ...page, exclude_archived: true, types: 'public_channel', team_id: acme.id },
  'conversations.info': { channel, include_num_members: true, include_locale: true },
  'conversations.history': { channel, ...page, oldest: ts, latest: ts, inclusive: true, include_all_metadata: true },
  'conversations.replies': { channel, ts, ...page, oldest: ts, latest: ts, inclusive: true },
  'conversations.members': { channel, ...page },
  'conversations.create': { name: 'x1', is_private: false, team_id: acme.id },
  'conversations.leave': { channel }, 'conversations.join': { channel }, 'conversations.close': { channel },
  'conversations.invite': { channel, users: user, force: true }, 'conversations.kick': { channel, user },
  'conversations.open': { users: user, return_im: true, prevent_creation: true, channel: '' },
  'conversations.mark': { channel, ts }, 'conversations.rename': { channel, name: 'x2' },
  'conversations.setTopic': { channel, topic: 't' }, 'conversations.setPurpose': { channel, purpose: 'p' },
  'conversations.archive': { channel }, 'conversations.unarchive': { channel },
  'chat.postMessage': { channel, text: 'x', blocks: '[]', attachments: '[]', metadata: '', thread_ts: ts, reply_broadcast: false, username: 'n', icon_emoji: ':x:', icon_url: '', mrkdwn: true, parse: 'full', link_names: true, unfurl_links: false, client_msg_id: 'x', as_user: true, markdown_text: '' },
  'chat.update': { channel, ts, text: 'y', blocks: '[]', attachments: '[]', metadata: '' },
  'chat.delete': { channel, ts: '1700000000.000100' },
  'chat.postEphemeral': { channel, user, text: 'x', blocks: '[]', attachments: '[]', thread_ts: ts },
  'chat.meMessage': { channel, text: 'x' }, 'chat.getPermalink': { channel, message_ts: ts },
  'reactions.add': { channel, timestamp, name: 'eyes' }, 'reactions.remove': { channel, timestamp, name: 'eyes' },
  'reactions.get': { channel, timestamp, full: true }, 'reactions.list': { user, full: true, count: 1, page: 1, ...page },
  'pins.add': { channel, timestamp }, 'pins.remove': { channel, timestamp }, 'pins.list': { channel },
  'users.info': { user, include_locale: true }, 'users.list': { ...page, include_locale: true, team_id: acme.id },
  'users.lookupByEmail': { email: bob.email }, 'users.conversations': { user, types: 'im', exclude_archived: true, ...page },
  'users.getPresence': { user }, 'users.setPresence': { presence: 'auto' },
  'users.profile.get': { user, include_labels: true }, 'users.profile.set': { profile: '{}', name: 'title', value: 'x', user: '' },
  'team.info': { team: acme.id, domain: 'acme' }, 'bots.info': { bot: robot.bot, team_id: acme.id }, 'emoji.list': { include_categories: true },
  'dnd.info': { user, team_id: acme.id }, 'dnd.teamInfo': { users: user, team_id: acme.id }, 'dnd.setSnooze': { num_minutes: 1 },
  'dnd.endSnooze': {}, 'dnd.endDnd': {},
  'users.prefs.get': {}, 'im.open': { user }, 'channels.list': { exclude_archived: true }, 'groups.list': { exclude_archived: true },
};
const provisioning = {
  'admin.teams.create': { team_domain: 'other', team_name: 'x', team_description: 'x', team_discoverability: 'open' },
  'admin.users.invite': { team_id: acme.id, email: 'q@acme.test', real_name: 'Q', channel_ids: acme.general },
  'admin.users.setAdmin': { team_id: acme.id, user_id: alice.id },
  'apps.manifest.create': { manifest: '{}' }, 'throng.apps.install': { app_id: robot.app, team_id: acme.id },
  'throng.tokens.issue': { team_id: acme.id, user_id: alice.id, type: 'user', scopes: 'chat:write' },
  'throng.ratelimits.set': { team_id: acme.id, method: 'team.info', limit: 1000, window_s: 1 },
  'admin.users.remove': { team_id: acme.id, user_id: 'U0NOSUCH0001' }, // last: the victim's own id is among the values
};

const texts = ['', ' ', '0', '-1', '1e9', '99999999999999999999', 'true', 'null', '[]', '{}', '[[[[', '{"a":', '"', '\u0000', '\ud83d\ude00',
  'C', 'C0', channel.toLowerCase(), victim.id, acme.id, '1700000000', '.', '1.2.3', '-5.000001', '9999999999.999999', "'; DROP TABLE messages; --",
  '../../etc/passwd', '<@U1>', 'x'.repeat(5000), '\u202e\u200b', '%s%n%x', 'NaN'];
const values = [null, true, false, 0, -1, 1.5, 1e308, [], {}, [[]], [null], ['x', 1], { a: { b: [] } }, '', 'x', Array.from({ length: 2000 }, () => 'U1')];
const wrong = new Set(['unknown_method', 'invalid_auth', 'not_authed', 'account_inactive', // the test's own mistakes
  'internal_error', 'fatal_error', 'request_timeout', 'service_unavailable', 'unavailable', 'conflict']);

async function answer(method, token, body, type) {
  const response = await fetch(`${server.api}/${method}`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': type }, body });
  const text = await response.text();
  assert.equal(response.status, 200, `${method} ${String(body).slice(0, 300)}: ${response.status} ${text}`);
  const json = JSON.parse(text);
  assert.equal(typeof json.ok, 'boolean');
  if (!json.ok) assert.ok(!wrong.has(json.error), `${method} ${String(body).slice(0, 300)}: ${text}`);
  return json;
}

async function spoil(method, args, token) {
  const cases = [];
  for (const name of [...Object.keys(args), 'no_such_argument']) {
    for (const value of texts) cases.push([new URLSearchParams({ ...args, [name]: value }).toString(), 'application/x-www-form-urlencoded']);
    for (const value of values) cases.push([JSON.stringify({ ...args, [name]: value }), 'application/json']);
    cases.push([`${new URLSearchParams(args)}&${name}=%ff%fe%c3`, 'application/x-www-form-urlencoded']);
    const { [name]: _, ...without } = args;
    cases.push([new URLSearchParams(without).toString(), 'application/x-www-form-urlencoded']);
  }
  const width = 8; // requests at a time
  await Promise.all(Array.from({ length: width }, async (_, lane) => {
    for (let i = lane; i < cases.length; i += width) await answer(method, token, ...cases[i]);
  }));
}

describe('bad arguments', () => {
  after(async () => {
    await bystander.leave();
    await server.stop();
  });

  for (const [method, args] of Object.entries(methods)) {
    it(method, async () => {
      await spoil(method, args, victim.token);
      await bystander.isFine();
    });
  }
  it('auth.revoke', async () => {
    for (const value of texts) {
      const { token } = await signIn(acme, victim.id);
      await answer('auth.revoke', token, new URLSearchParams({ test: value }).toString(), 'application/x-www-form-urlencoded');
    }
  });
  for (const [method, args] of Object.entries(provisioning)) {
    it(method, async () => {
      await spoil(method, args, server.adminToken);
      await bystander.isFine();
    });
  }
});
