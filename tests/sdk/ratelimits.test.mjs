// SPDX-License-Identifier: Apache-2.0
// 429 with Retry-After, honoured by the official package by itself.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { assertHas } from './support/expect.mjs';
import { generations, webClient } from './support/slack.mjs';
import { Throngd } from './support/throngd.mjs';
import { admin, call, createWorkspace } from './support/workspace.mjs';

const server = await Throngd.start({ settings: { rate_limits: { enabled: true, posts_per_second: 1, posts_burst: 20 } } });
const acme = await createWorkspace(server, 'acme');
const globex = await createWorkspace(server, 'globex');
const { alice, bob } = acme.people;
const setLimit = (method, limit, window_s) => admin(server).apiCall('throng.ratelimits.set', { team_id: acme.id, method, limit, window_s });

describe('rate limits', () => {
  after(() => server.stop());

  for (const generation of Object.keys(generations)) {
    it(`SDK ${generation} waits for Retry-After and then succeeds; nothing is posted twice`, async () => {
      await setLimit('chat.postMessage', 1, 1);
      const client = webClient(server.client, alice.token, { generation, retryConfig: { retries: 10, factor: 1, minTimeout: 1 } });
      const delays = [];
      client.on('rate_limited', (seconds) => delays.push(seconds));
      const texts = [0, 1, 2].map((i) => `generation ${generation}, ${i}`);
      for (const text of texts) assertHas(await client.chat.postMessage({ channel: acme.general, text }), { ok: true });
      assert.ok(delays.length > 0, 'the SDK was told to wait');
      assert.ok(delays.every((s) => Number.isInteger(s) && s >= 1 && s <= 2), delays.join());
      const { messages } = await alice.web.conversations.history({ channel: acme.general });
      assert.deepEqual(messages.map((m) => m.text).filter((t) => texts.includes(t)).reverse(), texts);
    });
  }

  it('429 carries Retry-After in whole seconds and the error ratelimited', async () => {
    await setLimit('emoji.list', 2, 60);
    const answers = [];
    for (let i = 0; i < 3; ++i) answers.push(await call(server, 'emoji.list', {}, { token: bob.token }));
    assert.deepEqual(answers.map((a) => a.status), [200, 200, 429]);
    assertHas(answers[2], { ok: false, error: 'ratelimited' });
    const wait = answers[2].headers.get('retry-after');
    assert.match(wait, /^\d+$/);
    assert.ok(Number(wait) >= 1 && Number(wait) <= 60, wait);
  });

  it('one method\'s limit is no other\'s, and no other workspace\'s', async () => {
    await setLimit('team.info', 1, 60);
    await alice.web.team.info();
    assert.equal((await call(server, 'team.info', {}, { token: alice.token })).status, 429);
    await alice.web.users.info({ user: alice.id });
    await globex.people.alice.web.team.info();
    await globex.people.alice.web.team.info();
  });

  it('ratelimits.set refuses rubbish', async () => {
    for (const args of [{}, { team_id: acme.id, method: 'no.such', limit: 1, window_s: 1 }, { team_id: acme.id, method: 'team.info', limit: 'many', window_s: 1 }, { method: 'team.info', limit: 1, window_s: 1 }]) {
      assertHas(await call(server, 'throng.ratelimits.set', args, { token: server.adminToken }), { ok: false, error: /./ }, JSON.stringify(args));
    }
  });

  it('the limit of posts holds a flood off, and the others are not affected', async () => {
    const { people: { alice: flooder } } = globex;
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => call(server, 'chat.postMessage', { channel: globex.general, text: `flood ${i}` }, { token: flooder.token })));
    const accepted = answers.filter((a) => a.ok);
    assert.ok(answers.some((a) => a.status === 429), 'a burst of 60 posts is refused in part');
    assert.ok(accepted.length >= 10, `only ${accepted.length} were accepted`);
    const { messages } = await flooder.web.conversations.history({ channel: globex.general, limit: 200 });
    assert.equal(messages.filter((m) => m.text?.startsWith('flood')).length, accepted.length, 'exactly the accepted ones are stored');
    await alice.web.users.list({});
  });
});
