// SPDX-License-Identifier: Apache-2.0
// The process as an operator meets it: exit codes, --check, --print-config, --version, SIGTERM once and twice.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { within } from '../sdk/support/deadline.mjs';
import { rawWebsocket } from '../sdk/support/raw_websocket.mjs';
import { Socket } from '../sdk/support/socket.mjs';
import { Throngd, runToEnd, settingsFor, temporaryFolder } from '../sdk/support/throngd.mjs';
import { call, createWorkspace } from '../sdk/support/workspace.mjs';

const folder = temporaryFolder();
function file(text, name = 'throng.yaml') {
  const path = join(folder, name);
  writeFileSync(path, typeof text === 'string' ? text : JSON.stringify(text));
  return path;
}
const good = () => file(settingsFor(join(folder, 'data')), 'good.yaml');

describe('command line', () => {
  it('--version prints name and version', async () => {
    const { code, stdout } = await runToEnd(['--version']);
    assert.equal(code, 0);
    assert.match(stdout, /^throngd \d+\.\d+\.\d+/);
  });

  it('--help explains itself', async () => {
    const { code, stdout } = await runToEnd(['--help']);
    assert.equal(code, 0);
    for (const option of ['--config', '--check', '--print-config', '--version']) assert.ok(stdout.includes(option), option);
  });

  it('wrong usage is code 2 and says what was expected', async () => {
    for (const args of [[], ['--config'], ['--no-such-option'], ['--config', good(), 'surplus']]) {
      const { code, stdout, stderr } = await runToEnd(args);
      assert.equal(code, 2, args.join(' '));
      assert.equal(stdout, '');
      assert.match(stderr, /--/, args.join(' '));
    }
  });

  it('--check accepts a good file, says so with 0, and makes nothing', async () => {
    const { code, stderr } = await runToEnd(['--config', good(), '--check']);
    assert.equal(code, 0, stderr);
    assert.ok(!existsSync(join(folder, 'data')));
  });

  it('the smallest configuration of the contract is good', async () => {
    const path = file('node: n1\ndata: ./data\nlisten: {client: "127.0.0.1:0", admin: "127.0.0.1:0", node: "127.0.0.1:0"}\nstorage: {kind: sqlite}\ntopology: {kind: embedded}\n');
    assert.equal((await runToEnd(['--config', path, '--check'])).code, 0);
  });

  const wrong = {
    'an unknown key': ['node: n1\nnonsense: 1\n', 2, /nonsense/],
    'an unknown key in a section': ['node: n1\nlisten:\n  client: "127.0.0.1:0"\n  clientt: "127.0.0.1:0"\n', 4, /clientt/],
    'a wrong type': ['node: n1\ngateway:\n  body_bytes_max: soon\n', 3, /body_bytes_max/],
    'a value out of range': ['node: n1\n\ngateway: {io_threads: 100000}\n', 3, /io_threads/],
    'a section that is a word': ['listen: here\n', 1, /listen/],
    'a port that is none': ['listen:\n  client: "127.0.0.1:99999"\n', 2, /client/],
    'an unknown kind of storage': ['storage:\n  kind: floppy\n', 2, /kind/],
    'the same key twice': ['node: n1\nnode: n2\n', 2, /node/],
    'no YAML at all': ['node: n1\n  data: [\n', /\d+/, /./],
    'a list instead of keys': ['- node\n', 1, /./],
  };
  for (const [name, [text, line, why]] of Object.entries(wrong)) {
    it(`${name} is refused with file and line, by --check and by a start`, async () => {
      const path = file(text, 'wrong.yaml');
      for (const args of [['--config', path, '--check'], ['--config', path]]) {
        const { code, stdout, stderr } = await runToEnd(args);
        assert.equal(code, 2, stderr);
        assert.equal(stdout, '');
        const lines = stderr.trim().split('\n');
        assert.equal(lines.length, 1, stderr);
        assert.match(lines[0], new RegExp(`wrong\\.yaml:${line instanceof RegExp ? line.source : line}\\b`));
        assert.match(lines[0], why);
      }
    });
  }

  it('a file that is not there, and a folder, are code 2', async () => {
    for (const path of [join(folder, 'absent.yaml'), folder]) {
      const { code, stderr } = await runToEnd(['--config', path]);
      assert.equal(code, 2);
      assert.ok(stderr.includes(path), stderr);
    }
  });

  it('--print-config shows what is in force, environment included, and masks secrets', async () => {
    const secret = 'very-secret-admin-token-0123456789abcdef';
    const { code, stdout, stderr } = await runToEnd(['--config', good(), '--print-config'], { env: { THRONG_GATEWAY_CONNECTIONS_MAX: '321', THRONG_ADMIN_TOKEN: secret } });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /connections_max: 321\b/);
    assert.match(stdout, /node: "?n1"?/);
    assert.ok(!stdout.includes(secret) && !stderr.includes(secret));
    const again = await runToEnd(['--config', file(stdout, 'printed.yaml'), '--check']);
    assert.equal(again.code, 0, again.stderr);
  });

  it('a wrong environment variable is refused by name, without its value if that is a secret', async () => {
    const unknown = await runToEnd(['--config', good(), '--check'], { env: { THRONG_NO_SUCH: '1' } });
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /THRONG_NO_SUCH/);
    const bad = await runToEnd(['--config', good(), '--check'], { env: { THRONG_GATEWAY_IO_THREADS: 'many' } });
    assert.equal(bad.code, 2);
    assert.match(bad.stderr, /THRONG_GATEWAY_IO_THREADS/);
  });

  it('a port that is taken is code 1 and names the address', async () => {
    const taken = createServer();
    await new Promise((done) => { taken.listen(0, '127.0.0.1', done); });
    const { port } = taken.address();
    try {
      const settings = settingsFor(join(folder, 'taken'), { listen: { client: `127.0.0.1:${port}` } });
      const { code, stdout, stderr } = await runToEnd(['--config', file(settings, 'taken.yaml')]);
      assert.equal(code, 1, stderr);
      assert.equal(stdout, '');
      assert.ok(stderr.includes(`:${port}`), stderr);
    } finally {
      taken.close();
    }
  });

  it('a data folder that cannot be made is code 1 or 2 and is named', async () => {
    const settings = settingsFor(join(good(), 'below-a-file'));
    const { code, stderr } = await runToEnd(['--config', file(settings, 'nodata.yaml')]);
    assert.ok([1, 2].includes(code), `${code}`);
    assert.ok(stderr.includes('below-a-file'), stderr);
  });

  it('a file that is no database is left alone and named', async () => {
    const server = await Throngd.start();
    await server.stop();
    const database = join(server.data, 'throng.db');
    assert.ok(existsSync(database));
    writeFileSync(database, 'this is no database, and it is longer than the header of one. '.repeat(100));
    const { code, stderr } = await runToEnd(['--config', file(settingsFor(server.data), 'broken.yaml')]);
    assert.equal(code, 1);
    assert.ok(stderr.includes('throng.db'), stderr);
    assert.match(execFileSync('head', ['-c', '20', database], { encoding: 'utf8' }), /^this is no database/);
  });
});

describe('the store', () => {
  /** A store that was in use and closed, and what a start on it says after `damage` changed its bytes. */
  async function startAfter(damage) {
    const server = await Throngd.start();
    await createWorkspace(server, 'acme');
    await server.stop();
    const database = join(server.data, 'throng.db');
    const bytes = damage(readFileSync(database));
    writeFileSync(database, bytes);
    const end = await runToEnd(['--config', file(settingsFor(server.data), 'damaged.yaml')]);
    assert.equal(end.code, 1, end.stderr);
    assert.equal(end.stdout, '');
    assert.equal(end.stderr.trim().split('\n').length, 1, end.stderr);
    assert.ok(end.stderr.includes(database), end.stderr);
    assert.ok(readFileSync(database).equals(bytes), 'it is left as it was');
    return end.stderr;
  }

  it('of a newer schema is refused and both versions are named', async () => {
    // The row of schema_version: its number as the key, a record of NULL in its place and 19 characters of text.
    const row = /([\x01-\x7e])\x03\x003(?=20\d\d-\d\d-\d\d \d\d:\d\d:\d\d)/g;
    let known = 0;
    const said = await startAfter((bytes) => {
      const rows = [...bytes.toString('latin1').matchAll(row)];
      assert.ok(rows.length > 0, 'a row of schema_version');
      const newest = rows.reduce((a, b) => (a[1] > b[1] ? a : b));
      known = newest[1].charCodeAt(0);
      bytes[newest.index] = 99;
      return bytes;
    });
    assert.match(said, new RegExp(`\\b99\\b.*\\b${known}\\b`));
  });

  it('that is damaged is refused and says so', async () => {
    const said = await startAfter((bytes) => bytes.fill(0xa5, 4096));
    assert.match(said, /damaged/);
  });

  it('that was cut short is refused and says so', async () => {
    const said = await startAfter((bytes) => bytes.subarray(0, bytes.length >> 1));
    assert.match(said, /damaged/);
  });

  it('that another throngd uses is refused, by the number of that process, which notices nothing', async () => {
    const server = await Throngd.start();
    const acme = await createWorkspace(server, 'acme');
    const { code, stdout, stderr } = await runToEnd(['--config', file(settingsFor(server.data), 'second.yaml')]);
    assert.equal(code, 1, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, new RegExp(`throng\\.db .*in use by process ${server.pid}\\b`));
    const { ts } = await acme.people.alice.web.chat.postMessage({ channel: acme.general, text: 'still there' });
    assert.ok(ts);
    await server.stop();
    await server.launch(); // the lock went with its owner
    await server.kill();
    await server.launch();
    await server.stop();
  });
});

describe('SIGTERM', () => {
  it('says goodbye, takes no new connections, and ends with 0; clients that answer the close don\'t hold it up', async () => {
    const server = await Throngd.start();
    const acme = await createWorkspace(server, 'acme');
    const sockets = await Promise.all(Array.from({ length: 20 }, () => Socket.connect(acme.people.alice)));
    const posts = Array.from({ length: 50 }, (_, i) => call(server, 'chat.postMessage', { channel: acme.general, text: `last ${i}` }, { token: acme.people.bob.token }).catch(() => undefined));
    await Promise.race(posts);
    const begin = Date.now();
    await server.stop();
    assert.ok(Date.now() - begin < 5000, `took ${Date.now() - begin} ms`);
    for (const socket of sockets) {
      await socket.expect({ type: 'goodbye' });
      await within('close', socket.closed);
    }
    await assert.rejects(call(server, 'api.test'));

    const acknowledged = (await Promise.all(posts)).filter((answer) => answer?.ok).map((answer) => answer.ts);
    await server.launch();
    const { messages } = await call(server, 'conversations.history', { channel: acme.general, limit: 1000 }, { token: acme.people.bob.token });
    for (const ts of acknowledged) assert.ok(messages.some((m) => m.ts === ts), `${ts} was acknowledged`);
    await server.stop();
  });

  it('does not wait longer than drain_timeout for a client that never reads', async () => {
    const server = await Throngd.start({ settings: { gateway: { drain_timeout: '1s' } } });
    const acme = await createWorkspace(server, 'acme');
    const stuck = await rawWebsocket(server, (await acme.people.alice.web.rtm.connect()).url);
    stuck.socket.pause();
    await server.stop();
    stuck.close();
  });

  it('a second SIGTERM stops at once', async () => {
    const server = await Throngd.start({ settings: { gateway: { drain_timeout: '10m' } } });
    const acme = await createWorkspace(server, 'acme');
    const stuck = await rawWebsocket(server, (await acme.people.alice.web.rtm.connect()).url);
    const watcher = await Socket.connect(acme.people.bob);
    server.child.kill('SIGTERM');
    await watcher.expect({ type: 'goodbye' });
    assert.equal(server.child.exitCode, null, 'it waits for the client that does not answer');
    server.child.kill('SIGTERM');
    assert.equal((await within('the process to stop', server.ended, 5000)).code, 1);
    assert.match(server.errors, /stops at once: SIGTERM again/);
    stuck.close();
  });

  it('SIGINT drains as well', async () => {
    const server = await Throngd.start();
    server.child.kill('SIGINT');
    assert.equal((await within('the process to end', server.ended)).code, 0);
  });
});
