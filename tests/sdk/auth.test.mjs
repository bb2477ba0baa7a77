// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { assertHas, ids, refused } from './support/expect.mjs';
import { generations, webClient } from './support/slack.mjs';
import { Throngd } from './support/throngd.mjs';
import { addPerson, admin, call, createWorkspace, installBot, signIn } from './support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme');
const { alice, bob } = acme.people;
const robot = await installBot(acme, 'robot');

describe('auth', () => {
  after(() => server.stop());

  for (const generation of Object.keys(generations)) {
    it(`api.test of SDK ${generation} gives its arguments back, without a token too`, async () => {
      const client = webClient(server.client, undefined, { generation });
      assertHas(await client.api.test({ foo: 'bar', n: 7 }), { ok: true, args: { foo: 'bar', n: '7' } });
      await refused(client.api.test({ error: 'my_error' }), 'my_error');
    });

    it(`auth.test of SDK ${generation} says who a person and a bot are`, async () => {
      const person = await webClient(server.client, alice.token, { generation }).auth.test();
      assertHas(person, { ok: true, team_id: acme.id, team: acme.name, user_id: alice.id, user: 'alice', url: /^http/ });
      assert.equal(person.bot_id, undefined);
      const bot = await webClient(server.client, robot.token, { generation }).auth.test();
      assertHas(bot, { ok: true, team_id: acme.id, user_id: robot.id, bot_id: robot.bot });
    });
  }

  it('tokens and ids look as clients expect them', () => {
    assertHas({ team: acme.id, user: alice.id, general: acme.general, bot: robot.bot, app: robot.app },
      { team: ids.team, user: ids.user, general: ids.channel, bot: ids.bot, app: ids.app });
    assert.match(alice.token, /^xoxp-/);
    assert.match(robot.token, /^xoxb-/);
  });

  it('no token, a forged one, and one with a flipped character are refused, each with its code', async () => {
    await refused(webClient(server.client, undefined).auth.test(), 'not_authed');
    await refused(webClient(server.client, 'xoxp-0000-0000-0000-forged').auth.test(), 'invalid_auth');
    const flipped = alice.token.slice(0, -1) + (alice.token.endsWith('a') ? 'b' : 'a');
    await refused(webClient(server.client, flipped).auth.test(), 'invalid_auth');
    await refused(webClient(server.client, 'nonsense').auth.test(), 'invalid_auth');
    await refused(webClient(server.client, 'x'.repeat(5000)).auth.test(), 'invalid_auth');
  });

  it('the Authorization header wins over the token argument', async () => {
    assertHas(await call(server, 'auth.test', { token: bob.token }, { token: alice.token }), { ok: true, user_id: alice.id });
    assertHas(await call(server, 'auth.test', { token: bob.token }), { ok: true, user_id: bob.id });
  });

  it('auth.revoke ends exactly this token; test=true only pretends', async () => {
    const other = await signIn(acme, alice.id);
    assertHas(await other.web.auth.revoke({ test: true }), { ok: true, revoked: false });
    await other.web.auth.test();
    assertHas(await other.web.auth.revoke(), { ok: true, revoked: true });
    const answer = await call(server, 'auth.test', {}, { token: other.token });
    assert.ok(['token_revoked', 'invalid_auth'].includes(answer.error), answer.error);
    await alice.web.auth.test();
  });

  it('auth.teams.list names the workspace of the token', async () => {
    assertHas(await robot.web.auth.teams.list(), { ok: true, teams: [{ id: acme.id, name: acme.name }] });
  });

  it('a removed person is account_inactive', async () => {
    const carol = await addPerson(acme, 'carol');
    await carol.web.auth.test();
    await admin(server).admin.users.remove({ team_id: acme.id, user_id: carol.id });
    await refused(carol.web.auth.test(), 'account_inactive');
    assertHas(await alice.web.users.info({ user: carol.id }), { user: { id: carol.id, deleted: true } });
  });

  it('a token without the scope is told which one it needs', async () => {
    const reader = await signIn(acme, alice.id, ['channels:read']);
    await reader.web.conversations.list({ types: 'public_channel' });
    const refusal = await refused(reader.web.chat.postMessage({ channel: acme.general, text: 'no' }), 'missing_scope');
    assertHas(refusal, { needed: /chat:write/, provided: /channels:read/ });
    const answer = await call(server, 'auth.test', {}, { token: reader.token });
    assert.match(answer.headers.get('x-oauth-scopes') ?? '', /channels:read/);
  });

  it('an unknown method is unknown_method, with and without a token', async () => {
    await refused(alice.web.apiCall('no.such.method'), 'unknown_method');
    assertHas(await call(server, 'no.such.method'), { ok: false, error: 'unknown_method', status: 200 });
    assertHas(await call(server, ''), { ok: false, error: 'unknown_method' });
  });

  it('a person may not use what belongs to the admin token', async () => {
    for (const method of ['admin.teams.create', 'admin.users.invite', 'throng.tokens.issue', 'throng.apps.install', 'throng.ratelimits.set']) {
      const answer = await call(server, method, { team_id: acme.id, user_id: bob.id, type: 'user', team_domain: 'x', team_name: 'x' }, { token: alice.token });
      assert.equal(answer.ok, false, method);
      assert.match(answer.error, /^(not_allowed_token_type|not_an_admin|invalid_auth|no_permission|not_authorized)$/, method);
    }
  });
});
