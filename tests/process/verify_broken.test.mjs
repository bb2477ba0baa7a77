// SPDX-License-Identifier: Apache-2.0
// The checker is checked: throngverify, over a real cluster whose nodes break one promise on purpose, says which rule is
// violated; over a sound one that is hurt in the same ways it finds nothing.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { within } from '../sdk/support/deadline.mjs';
import { program, temporaryFolder } from '../sdk/support/throngd.mjs';

const throngverify = join(dirname(program), 'throngverify');
const folder = join(temporaryFolder(), 'verify');
mkdirSync(folder, { recursive: true });
const run_ms = 480_000; // the cluster's start and end, the talk, and the patience behind it
const end_ms = 60_000;
const seeds = ['12', '11', '13']; // one after the other until it is found: what a fault meets is chance
const timeout = seeds.length * (run_ms + end_ms);
const people = ['--nodes', '3', '--mysql', '1x1', '--people', '24', '--channels', '12', '--members', '8', '--rate', '150'];

/** Its exit code, its verdict, and what it said meanwhile. */
async function verify(nodes, ...args) {
  const child = spawn(throngverify, ['--program', nodes, '--folder', folder, '--json', ...people, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '', stderr = '';
  child.stdout.on('data', (text) => { stdout += text; });
  child.stderr.on('data', (text) => { stderr += text; });
  const closed = new Promise((done) => { child.on('close', done); });
  try {
    const code = await within(() => `throngverify ${args.join(' ')}:\n${stderr}`, closed, run_ms);
    return { code, stderr, verdict: stdout ? JSON.parse(stdout) : undefined };
  } finally {
    if (child.exitCode === null) {
      child.kill('SIGTERM'); // it takes its cluster down
      await within('throngverify to end', closed, end_ms);
    }
  }
}

const violated = (run) => Object.entries(run.verdict?.rules ?? {}).filter(([, rule]) => rule.violations > 0).map(([name]) => name);
const problems = ({ verdict, stderr }) => `${JSON.stringify({ ...verdict, figures: undefined }, null, 1).slice(0, 20_000)}\n${stderr}`;

describe('throngverify finds', () => {
  for (const [what, faults, seconds, rules] of [
    ['ack_before_commit', 'kill', '20', ['posts']],
    ['no_fence', 'pause', '20', ['writers', 'positions', 'posts']],
    // It takes many moves until something is on its way to a slot while that moves.
    ['drop_forwarded', 'migrate', '40', ['delivery', 'calm']],
  ])
    it(`${what}, when nodes are hurt by ${faults}`, { timeout }, async () => {
      let run;
      for (const seed of seeds) {
        run = await verify(join(dirname(program), `throngd_broken_${what}`), '--seconds', seconds, '--faults', faults, '--seed', seed);
        if (violated(run).some((rule) => rules.includes(rule))) break;
      }
      assert.equal(run.verdict?.verdict, 'violation', problems(run));
      assert.equal(run.code, 1);
      assert.ok(violated(run).some((rule) => rules.includes(rule)), problems(run));
      const shown = run.verdict.rules[violated(run).find((rule) => rules.includes(rule))].kept[0];
      assert.ok(shown.what.length > 20 && shown.events.length > 0, JSON.stringify(shown));
    });

  it('nothing in a sound one that is hurt in the same ways', { timeout }, async () => {
    const run = await verify(program, '--seconds', '30', '--faults', 'kill,pause,drain', '--seed', '11');
    assert.equal(run.code, 0, problems(run));
    assert.equal(run.verdict.verdict, 'ok', problems(run));
    for (const rule of ['posts', 'order', 'positions', 'writers', 'delivery', 'members', 'calm'])
      assert.ok(run.verdict.rules[rule].checked > 100, `${rule} compared ${run.verdict.rules[rule].checked}`);
  });
});
