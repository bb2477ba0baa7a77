// SPDX-License-Identifier: Apache-2.0
// Something runs out: descriptors, the disk. The process stays, says so, serves what it can, and recovers by itself.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Bystander } from '../sdk/support/bystander.mjs';
import { eventually } from '../sdk/support/deadline.mjs';
import { assertHas } from '../sdk/support/expect.mjs';
import { RawConnection } from '../sdk/support/raw_http.mjs';
import { webClient } from '../sdk/support/slack.mjs';
import { Throngd } from '../sdk/support/throngd.mjs';
import { call, createWorkspace } from '../sdk/support/workspace.mjs';

describe('descriptors', () => {
  it('used up: those who are connected go on, and others get in when there is room again', async () => {
    const server = await Throngd.start({ limits: ['--nofile=120:120'] });
    const acme = await createWorkspace(server, 'acme');
    const { bob } = acme.people;
    const bystander = await Bystander.join(bob, acme.general);
    await bystander.isFine();
    const crowd = await Promise.all(Array.from({ length: 300 }, () => RawConnection.open(server)));
    await eventually('descriptors to be used up', () => server.descriptors > 100);
    await bystander.pongs();
    const begin = cpuSeconds(server.pid);
    await bystander.pongs();
    assert.ok(cpuSeconds(server.pid) - begin < 1, 'it does not spin on accept');
    for (const connection of crowd) connection.close();
    await eventually('descriptors to be free again', () => server.descriptors < 60);
    assertHas(await call(server, 'api.test', { a: 'b' }), { ok: true });
    await bystander.isFine();
    await bystander.leave();
    await server.stop();
  });
});

function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100; // USER_HZ
}

describe('a full disk', () => {
  it('refuses posts with a reason, goes on reading, and posts again when there is room; nothing acknowledged is lost', async () => {
    const server = await Throngd.start();
    const acme = await createWorkspace(server, 'acme');
    const { alice, bob } = acme.people;
    const bystander = await Bystander.join(bob, acme.general);
    await bystander.isFine();
    const post = (text) => call(server, 'chat.postMessage', { channel: acme.general, text }, { token: alice.token });
    const acknowledged = [];
    const note = (answer, text) => { if (answer.ok) acknowledged.push({ ts: answer.ts, text }); return answer; };

    // No file may grow beyond what the largest has now, plus a little: the kernel then answers writes as a full disk does.
    const largest = Math.max(...readdirSync(server.data).map((file) => statSync(join(server.data, file)).size));
    execFileSync('prlimit', [`--pid=${server.pid}`, `--fsize=${largest + 100_000}:unlimited`]);
    let refusal;
    for (let i = 0; i < 300 && !refusal; ++i) {
      const text = `${i} ${'f'.repeat(20_000)}`;
      const answer = note(await post(text), text);
      if (!answer.ok) refusal = answer;
    }
    assertHas(refusal, { ok: false, status: (s) => s === 200 || s === 503, error: /./ }, 'a post was refused');
    await bystander.pongs();
    const { messages } = await bob.web.conversations.history({ channel: acme.general, limit: 3 });
    assert.equal(messages.length, 3, 'reading goes on');
    for (let i = 0; i < 5; ++i) note(await post(`small ${i}`), `small ${i}`);
    assert.equal(server.child.exitCode, null, 'the process lives');

    execFileSync('prlimit', [`--pid=${server.pid}`, '--fsize=unlimited:unlimited']);
    const begin = `room again ${'r'.repeat(20_000)}`;
    await eventually('posts to work again', async () => note(await post(begin), begin).ok);
    await bystander.isFine();
    const check = async () => {
      const stored = [];
      const web = webClient(server.client, alice.token);
      for await (const page of web.paginate('conversations.history', { channel: acme.general, limit: 200 })) stored.push(...page.messages);
      const texts = new Map(stored.map((m) => [m.ts, m.text]));
      for (const { ts, text } of acknowledged) assert.equal(texts.get(ts), text, `${ts} was acknowledged`);
      assert.equal(new Set(stored.map((m) => m.ts)).size, stored.length);
    };
    await check();
    await bystander.leave();
    await server.kill();
    await server.launch();
    await check();
    await server.stop();
  });
});
