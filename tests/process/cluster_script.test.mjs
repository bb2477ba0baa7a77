// SPDX-License-Identifier: Apache-2.0
// tools/cluster: what `up` makes serves, what is killed comes back or stays away as promised, and `down` leaves nothing.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually, within } from '../sdk/support/deadline.mjs';
import { program, temporaryFolder } from '../sdk/support/throngd.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const data = join(temporaryFolder(), 'cluster');
const throngsh = process.env.THRONGSH ?? join(dirname(program), 'throngsh');

/** As an operator has it: without what is meant for tests, which a node would refuse as unknown settings. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('THRONG_TEST_')));

/** What the script says, with its exit code. */
async function cluster(...args) {
  const child = spawn(join(root, 'tools/cluster'), [...args, '--data', data],
    { env: { ...environment, THRONGD: program, THRONGSH: throngsh }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '', stderr = '';
  child.stdout.on('data', (text) => { stdout += text; });
  child.stderr.on('data', (text) => { stderr += text; });
  const code = await within(() => `tools/cluster ${args.join(' ')}: ${stdout}${stderr}`,
    new Promise((done) => { child.on('close', done); }), 90_000);
  return { code, stdout, stderr };
}
async function fine(...args) {
  const { code, stdout, stderr } = await cluster(...args);
  assert.equal(code, 0, `tools/cluster ${args.join(' ')}:\n${stdout}${stderr}`);
  return stdout;
}

/** The processes that have the folder in their command line. */
const processes = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid).filter((pid) => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(data);
  } catch {
    return false; // it has just ended
  }
});

const urlOf = (text, what) => new RegExp(`${what} at (http://[0-9.:]+)`).exec(text)[1];
const shards = async () => (await fine('status')).split('\n').filter((line) => line.startsWith('throng ')).map((line) => line.split(/\s{2,}/));
async function post(url, method, args) {
  const token = readFileSync(join(data, 'units/n1/data/admin.token'), 'utf8').trim();
  const response = await fetch(`${url}/api/${method}`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: new URLSearchParams(args) });
  return response.json();
}

describe('tools/cluster', () => {
  after(async () => { if (existsSync(data)) await cluster('down'); });

  it('refuses what it can not do, in a sentence', async () => {
    const three = await cluster('up', '3');
    assert.equal(three.code, 1);
    assert.match(three.stderr, /^tools\/cluster: 3 nodes share one store: tools\/cluster up 3 --mysql 2x2/);
    assert.equal((await cluster('up', '--mysql', '3x1')).code, 1);
    assert.equal((await cluster('status')).code, 1);
    assert.equal((await cluster('sideways')).code, 2);
    assert.equal((await cluster('down')).code, 1);
    assert.deepEqual(processes(), []);
  });

  it('up makes two shards of two servers and a node that serves', async () => {
    const said = await fine('up', '--mysql', '2x2');
    const client = urlOf(said, 'clients');
    assert.equal((await fetch(`${urlOf(said, 'operators')}/readyz`)).status, 200);
    assert.match(said, new RegExp(`curl .*${client}/api/admin.teams.create`));
    assert.equal((await post(client, 'admin.teams.create', { team_domain: 'demo', team_name: 'Demo' })).ok, true);
    await eventually('both shards to be well', async () => {
      const rows = await shards();
      return rows.length === 2 && rows.every((row) => row.join(' ').includes('2 of 2') && row.at(-1) === 'fine');
    });
    assert.equal(processes().length, 6, 'four servers, a node and the keeper'); // all of them name the folder
  });

  it('a primary that is killed is replaced, and started again', async () => {
    const before = (await shards()).find((row) => row[1] === '-80')[3];
    assert.match(await fine('db', 'kill', '-80'), /was killed/);
    await eventually('another primary', async () => (await shards()).find((row) => row[1] === '-80')[3] !== before);
    await eventually('the old one to be back in sync', async () => (await shards()).every((row) => row.at(-1) === 'fine'), 30_000);
    assert.equal((await cluster('db', 'kill', '40-')).code, 1);
  });

  it('servers are restarted one after the other', async () => {
    const said = await fine('db', 'restart', '80-');
    assert.equal(said.split('\n').filter((line) => line.endsWith('was restarted')).length, 2);
    await eventually('all to be well', async () => (await shards()).every((row) => row.at(-1) === 'fine'), 30_000);
  });

  it('a node that is killed stays away until up starts it on the same data', async () => {
    await fine('kill', 'n1');
    await eventually('n1 to be down', async () => /^n1\s+down/m.test(await fine('status')));
    assert.equal((await cluster('kill', 'n1')).code, 1);
    const said = await fine('up');
    const { teams } = await post(urlOf(said, 'clients'), 'admin.teams.list', {});
    assert.deepEqual(teams.map((team) => team.domain), ['demo']);
  });

  it('down --keep keeps the data, and down leaves nothing', async () => {
    await fine('down', '--keep');
    assert.deepEqual(processes(), []);
    const said = await fine('up');
    const { teams } = await post(urlOf(said, 'clients'), 'admin.teams.list', {});
    assert.equal(teams.length, 1);
    await fine('down');
    assert.deepEqual(processes(), []);
    assert.ok(!existsSync(data));
  });

  it('up 3 makes a cluster, whose nodes are killed, paused, stopped and joined by more', { timeout: 180_000 }, async () => {
    const nodes = async () => (await fine('status')).split('\n').map((line) => line.split(/\s{2,}/)).filter((row) => /^\d+$/.test(row[1]) && /^n\d/.test(row[0]) && row.length > 3);
    const settled = (names) => eventually(`${names} to settle`, async () => {
      const rows = await nodes();
      return rows.map((row) => row[0]).sort().join() === names && rows.every((row) => row[2] === 'settled');
    }, 60_000);
    const said = await fine('up', '3', '--mysql', '1x1');
    assert.match(said, /^n3 serves clients at/m);
    await settled('n1,n2,n3');
    assert.match(await fine('status'), /^consul\s+up/m);
    assert.match(await fine('kill', 'n3'), /was killed/);
    await settled('n1,n2');
    await fine('up');
    await settled('n1,n2,n3');
    await fine('pause', '1');
    assert.match(await fine('status'), /^n1\s+paused/m);
    await settled('n2,n3');
    await fine('resume', '1');
    await settled('n1,n2,n3');
    assert.equal((await cluster('cut', 'n1', 'n7')).code, 1);
    assert.equal((await cluster('cut', 'n1', 'n1')).code, 1);
    assert.equal((await cluster('cut')).code, 2);
    assert.match(await fine('cut', '3'), /^n3 is cut from n1 n2/);
    assert.match(await fine('status'), /^wires\s+up\s+\d+\s+cut: n3-n1, n3-n2$/m);
    await settled('n1,n2');
    await fine('heal', '3', '1');
    assert.match(await fine('status'), /^wires\s+up\s+\d+\s+cut: n3-n2$/m);
    await fine('cut', 'n1', 'consul', '--reset');
    assert.match(await fine('status'), /cut: n3-n2, n1-consul \(reset\)$/m);
    await fine('heal');
    assert.doesNotMatch(await fine('status'), /cut:/);
    await settled('n1,n2,n3');
    await fine('stop', 'n2');
    await settled('n1,n3');
    await fine('up', '4');
    await settled('n1,n2,n3,n4');
    await fine('down');
    assert.deepEqual(processes(), []);
    assert.ok(!existsSync(data));
  });
});
