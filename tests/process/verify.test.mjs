// SPDX-License-Identifier: Apache-2.0
// throngverify on what was built: a short run with faults over a cluster of its own is clean and leaves nothing behind; a
// cluster that is there already is looked at without being hurt; what makes no sense is refused.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { within } from '../sdk/support/deadline.mjs';
import { Throngd, program, temporaryFolder } from '../sdk/support/throngd.mjs';

const throngverify = join(dirname(program), 'throngverify');
const folder = join(temporaryFolder(), 'verify');
mkdirSync(folder, { recursive: true });
const run_ms = 480_000; // the cluster's start and end, the talk, and all the patience behind it
const end_ms = 30_000;

/** Its exit code, its verdict (--json), and what it said meanwhile. */
async function verify(...args) {
  const child = spawn(throngverify, [...args, '--json', '--folder', folder], { stdio: ['ignore', 'pipe', 'pipe'] });
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

const problems = ({ verdict, stderr }) => `${JSON.stringify({ ...verdict, figures: undefined }, null, 1).slice(0, 20_000)}\n${stderr}`;

describe('throngverify', () => {
  it('three nodes that are killed, paused, drained, lose their coordinator and what they carry keep all promises', { timeout: run_ms + 2 * end_ms }, async () => {
    const run = await verify('--nodes', '3', '--mysql', '2x1', '--seconds', '40', '--faults', 'kill,pause,drain,leader,migrate', '--seed', '4',
      '--people', '40', '--channels', '20', '--rate', '120');
    assert.equal(run.code, 0, problems(run));
    assert.equal(run.verdict.verdict, 'ok');
    const { figures, rules } = run.verdict;
    assert.ok(figures.calls.post.acknowledged >= 1_000, JSON.stringify(figures.calls.post));
    assert.ok(figures.resumes >= 50, `${figures.resumes} resumes`);
    assert.ok(rules.posts.checked >= 5_000, `${rules.posts.checked} sights of posts`);
    for (const kind of ['kill', 'pause', 'drain', 'leader', 'migrate']) assert.ok(figures.stalls[kind]?.faults >= 1, `${kind}: ${JSON.stringify(figures.stalls)}`);
    assert.ok(figures.stalls.move?.faults >= 10, `${figures.stalls.move?.faults} moves in the ${figures.stalls.migrate.faults} faults`);
    assert.deepEqual(readdirSync(folder), [], 'what is clean leaves nothing');
  });

  it('looks at a node that is there, and stays away from its processes', { timeout: 240_000 }, async () => {
    const server = await Throngd.start();
    try {
      const run = await verify('--url', server.client, '--admin-token', server.adminToken, '--seconds', '5', '--people', '10', '--channels', '6');
      assert.equal(run.code, 0, problems(run));
      assert.ok(run.verdict.figures.calls.post.acknowledged >= 100, JSON.stringify(run.verdict.figures.calls));
      const hurt = await verify('--url', server.client, '--admin-token', server.adminToken, '--faults', 'kill');
      assert.equal(hurt.code, 2);
      assert.match(hurt.stderr, /--faults needs a cluster of its own/);
    } finally {
      await server.stop();
    }
  });

  it('refuses what makes no sense, in a sentence', async () => {
    for (const [args, sentence] of [
      [['--faults', 'flood'], /there is no fault `flood`; --faults takes some of kill,/],
      [['--mysql', '3x1'], /--mysql takes SHARDSxSERVERS such as 2x2, not `3x1`/],
      [['--url', 'nonsense'], /not a URL/],
      [['--judge', '/nowhere'], /can't read \/nowhere/],
      [['--sideways'], /--sideways/],
    ]) {
      const run = await verify(...args);
      assert.equal(run.code, 2, run.stderr);
      assert.match(run.stderr, sentence);
    }
  });
});
