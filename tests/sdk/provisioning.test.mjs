// SPDX-License-Identifier: Apache-2.0
// The provisioning calls with the admin token: what an operator's script does.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { assertHas, ids, refused } from './support/expect.mjs';
import { webClient } from './support/slack.mjs';
import { Throngd } from './support/throngd.mjs';
import { addPerson, admin, call, createChannel, createWorkspace, installBot, signIn } from './support/workspace.mjs';

const server = await Throngd.start();
const root = admin(server);
const acme = await createWorkspace(server, 'acme');
const { alice, bob } = acme.people;

describe('provisioning', () => {
  after(() => server.stop());

  it('the admin token is a private file; a guessed one is refused', async () => {
    assert.equal(statSync(join(server.data, 'admin.token')).mode & 0o777, 0o600);
    const guess = server.adminToken.slice(0, -1) + (server.adminToken.endsWith('a') ? 'b' : 'a');
    for (const token of [guess, '', 'xoxp-no']) {
      assertHas(await call(server, 'admin.teams.create', { team_domain: 'x', team_name: 'x' }, { token }), { ok: false, error: /^(invalid_auth|not_authed)$/ });
    }
  });

  it('THRONG_ADMIN_TOKEN names the token from outside', async () => {
    const token = 'an-admin-token-from-the-environment-0123456789';
    const other = await Throngd.start({ env: { THRONG_ADMIN_TOKEN: token } });
    assertHas(await webClient(other.client, token).admin.teams.create({ team_domain: 'env', team_name: 'Env' }), { ok: true, team: ids.team });
    await other.stop();
  });

  it('admin.teams.create makes a workspace with #general, and a domain once', async () => {
    assertHas(await root.admin.teams.create({ team_domain: 'fresh', team_name: 'Fresh' }), { ok: true, team: ids.team });
    await refused(root.admin.teams.create({ team_domain: 'fresh', team_name: 'Again' }), 'domain_taken');
    await refused(root.admin.teams.create({ team_domain: 'Not a domain', team_name: 'X' }), 'invalid_team_domain');
    for (const args of [{ team_name: 'X' }, { team_domain: 'nameless' }]) assertHas(await call(server, 'admin.teams.create', args, { token: server.adminToken }), { ok: false, error: /./ });
  });

  it('admin.users.invite makes a person who is in #general and the named channels', async () => {
    const open = await createChannel(alice, 'for-newcomers');
    const carol = await addPerson(acme, 'carol', { channels: [open.id] });
    assert.match(carol.id, ids.user);
    assertHas(await alice.web.users.info({ user: carol.id }), { user: { name: 'carol', real_name: 'Carol Example', profile: { email: 'carol@acme.test' } } });
    const { channels } = await carol.web.users.conversations({});
    assert.deepEqual(new Set(channels.map((c) => c.id)), new Set([acme.general, open.id]));
    const again = await call(server, 'admin.users.invite', { team_id: acme.id, email: carol.email, real_name: 'C', channel_ids: '' }, { token: server.adminToken });
    assertHas(again, { ok: false, error: /^(already_in_team|email_taken)$/ });
    for (const args of [{ team_id: 'T0NOSUCH0001', email: 'x@y.test' }, { team_id: acme.id, email: 'no address' }, { team_id: acme.id }, { team_id: acme.id, email: 'q@y.test', channel_ids: 'C0NOSUCH0001' }]) {
      assertHas(await call(server, 'admin.users.invite', { real_name: 'X', ...args }, { token: server.adminToken }), { ok: false, error: /./ }, JSON.stringify(args));
    }
  });

  it('two people whose addresses begin alike get two handles', async () => {
    const first = await root.admin.users.invite({ team_id: acme.id, email: 'sam@one.test', real_name: 'Sam One', channel_ids: '' });
    const second = await root.admin.users.invite({ team_id: acme.id, email: 'sam@two.test', real_name: 'Sam Two', channel_ids: '' });
    const names = await Promise.all([first, second].map(async ({ user_id }) => (await alice.web.users.info({ user: user_id })).user.name));
    assert.equal(names[0], 'sam');
    assert.notEqual(names[1], 'sam');
  });

  it('admin.users.setAdmin gives the role', async () => {
    assertHas(await alice.web.users.info({ user: bob.id }), { user: { is_admin: false } });
    await root.admin.users.setAdmin({ team_id: acme.id, user_id: bob.id });
    assertHas(await alice.web.users.info({ user: bob.id }), { user: { is_admin: true } });
    await refused(root.admin.users.setAdmin({ team_id: acme.id, user_id: 'U0NOSUCH0001' }), 'user_not_found');
  });

  it('admin.users.remove ends every token and connection of the person', async () => {
    const dave = await addPerson(acme, 'dave');
    const second = await signIn(acme, dave.id);
    await root.admin.users.remove({ team_id: acme.id, user_id: dave.id });
    await refused(dave.web.auth.test(), 'account_inactive');
    await refused(second.web.auth.test(), 'account_inactive');
    await refused(root.admin.users.remove({ team_id: acme.id, user_id: 'U0NOSUCH0001' }), 'user_not_found');
  });

  it('throng.tokens.issue refuses strangers, unknown types and scopes', async () => {
    const globex = await createWorkspace(server, 'globex', ['zoe']);
    const issue = (args) => call(server, 'throng.tokens.issue', { team_id: acme.id, user_id: alice.id, type: 'user', ...args }, { token: server.adminToken });
    assertHas(await issue({}), { ok: true, token: /^xoxp-/ });
    assertHas(await issue({ user_id: globex.people.zoe.id }), { ok: false, error: 'user_not_found' });
    assertHas(await issue({ user_id: 'U0NOSUCH0001' }), { ok: false, error: 'user_not_found' });
    assertHas(await issue({ team_id: 'T0NOSUCH0001' }), { ok: false, error: /^(team_not_found|user_not_found)$/ });
    assertHas(await issue({ type: 'royal' }), { ok: false, error: 'invalid_token_type' });
    assertHas(await issue({ scopes: 'chat:write,world:rule' }), { ok: false, error: 'invalid_scope' });
  });

  it('an app is made from a manifest and installed once per workspace', async () => {
    const robot = await installBot(acme, 'helper', ['chat:write', 'channels:read']);
    assertHas(robot, { app: ids.app, bot: ids.bot, id: ids.user, token: /^xoxb-/,
      credentials: { client_id: /./, client_secret: /./, signing_secret: /./, verification_token: /./ } });
    assertHas(await robot.web.auth.test(), { bot_id: robot.bot, user_id: robot.id });
    await refused(robot.web.users.list({}), 'missing_scope');
    const again = await root.apiCall('throng.apps.install', { app_id: robot.app, team_id: acme.id });
    assertHas(again, { bot_id: robot.bot, bot_user_id: robot.id });
    for (const manifest of ['', 'not json', '[]', '{}']) assertHas(await call(server, 'apps.manifest.create', { manifest }, { token: server.adminToken }), { ok: false, error: /^(invalid_manifest|missing_argument|invalid_arguments)$/ }, manifest);
    await refused(root.apiCall('throng.apps.install', { app_id: 'A0NOSUCH0001', team_id: acme.id }), 'invalid_app_id');
    await refused(root.apiCall('throng.apps.install', { app_id: robot.app, team_id: 'T0NOSUCH0001' }), 'team_not_found');
  });

  it('everything is still there after a restart', async () => {
    const { ts } = await alice.web.chat.postMessage({ channel: acme.general, text: 'remember me' });
    await server.stop();
    await server.launch();
    const again = webClient(server.client, alice.token);
    assertHas(await again.auth.test(), { user_id: alice.id, team_id: acme.id });
    const { messages } = await again.conversations.history({ channel: acme.general });
    assertHas(messages[0], { ts, text: 'remember me' });
    assertHas(await again.users.info({ user: bob.id }), { user: { is_admin: true } });
    assertHas(await admin(server).apiCall('throng.tokens.issue', { team_id: acme.id, user_id: bob.id, type: 'user' }), { ok: true });
  });
});
