// SPDX-License-Identifier: Apache-2.0
// throngwire, through which tools/cluster cuts: to both ends it is like the kernel's own path, or like a partition.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { eventually, within } from '../sdk/support/deadline.mjs';
import { freePort } from '../sdk/support/free_port.mjs';
import { program, temporaryFolder } from '../sdk/support/throngd.mjs';

const file = join(temporaryFolder(), 'wires');

const target = await freePort(), listenPort = await freePort(), otherPort = await freePort();
/** Answers with what it gets, and ends when the other side does. */
const echo = createServer({ allowHalfOpen: true }, (socket) => { socket.on('error', () => {}).pipe(socket); });
echo.listen(target, '127.0.0.1');
await once(echo, 'listening');
const wire = `wire * n1 127.0.0.1:${listenPort} 127.0.0.1:${target}\nwire * n2 127.0.0.1:${otherPort} 127.0.0.2:${target}\n`;

let child, complaints = '';
const follow = async (text) => {
  writeFileSync(file, text);
  child.kill('SIGHUP');
  await eventually('the wires to follow', () => existsSync(`${file}.applied`) && readFileSync(`${file}.applied`, 'utf8') === text);
};
/** A client that is n2. `got` is what came back. */
const dial = (port = listenPort) => {
  const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2', allowHalfOpen: true });
  const client = { socket, got: '' };
  client.connected = new Promise((done, failed) => { socket.once('connect', done).once('error', failed); });
  client.connected.catch(() => {});
  client.ended = new Promise((done) => { socket.once('close', () => done(client.error?.code ?? 'end')); });
  socket.on('data', (data) => { client.got += data; }).on('error', (error) => { client.error = error; });
  socket.on('end', () => { socket.end(); });
  return client;
};
const says = async (client, text) => {
  client.socket.write(text);
  await eventually(`${text} to come back`, () => client.got.endsWith(text));
};
/** As long as several round trips take: what would come has come. */
const settle = async () => {
  const other = connect({ port: target, host: '127.0.0.1' });
  for (let i = 0; i < 50; ++i) {
    other.write('x');
    await within('an echo without a wire', once(other, 'data'));
  }
  other.destroy();
};

describe('throngwire', () => {
  after(() => {
    child.kill('SIGKILL');
    echo.close();
  });

  it('passes all bytes in both directions, and ends what ends', async () => {
    writeFileSync(file, wire);
    child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', join(dirname(program), 'throngwire'), file], { stdio: ['ignore', 'inherit', 'pipe'] });
    child.stderr.on('data', (text) => { complaints += text; });
    await eventually(() => `the wires ${complaints}`, () => existsSync(`${file}.applied`));
    const client = dial();
    const all = 'abcdefgh'.repeat(500_000);
    client.socket.end(all);
    assert.equal(await within('all of it to come back', client.ended), 'end');
    assert.equal(client.got.length, all.length);
    assert.ok(client.got === all);
  });

  it('what is cut hangs, other wires do not, and what was on its way arrives after it heals', async () => {
    const client = dial();
    await says(client, 'before');
    await follow(`${wire}cut n1 n2 hang\n`);
    client.socket.write('meanwhile');
    const late = dial();
    await within('the connection', late.connected); // the kernel takes it; nobody answers
    late.socket.write('late');
    const stranger = connect({ port: listenPort, host: '127.0.0.1', localAddress: '127.0.0.3' });
    stranger.write('stranger');
    const [heard] = await within('an echo for n3, which is not cut', once(stranger, 'data'));
    assert.equal(String(heard), 'stranger');
    stranger.destroy();
    await settle();
    assert.equal(client.got, 'before');
    assert.equal(late.got, '');
    await follow(wire);
    await eventually('what was on its way', () => client.got === 'beforemeanwhile' && late.got === 'late');
    await says(client, 'after');
    client.socket.destroy();
    late.socket.destroy();
  });

  it('cut with a reset, connections end and new ones too', async () => {
    const client = dial();
    await says(client, 'before');
    await follow(`${wire}cut n1 n2 reset\n`);
    assert.equal(await within('the connection to end', client.ended), 'ECONNRESET');
    assert.match(await within('a new one to end', dial().ended), /ECONNRESET|EPIPE/);
    await follow(wire);
    const again = dial();
    await says(again, 'again');
    again.socket.destroy();
  });

  it('where nobody listens, one is refused as there', async () => {
    await eventually('a refusal', async () => await within('an end', dial(otherPort).ended) === 'ECONNREFUSED');
    const server = createServer((socket) => { socket.pipe(socket); }).listen(target, '127.0.0.2');
    await once(server, 'listening');
    await eventually('an echo', async () => {
      const client = dial(otherPort);
      client.socket.write('here');
      await Promise.race([client.ended, eventually('an answer', () => client.got === 'here' || client.error)]);
      client.socket.destroy();
      return client.got === 'here';
    });
    server.close();
  });

  it('a plan that can not be followed changes nothing', async () => {
    const client = dial();
    await says(client, 'before');
    writeFileSync(file, 'cut n1\n');
    child.kill('SIGHUP');
    await eventually('a complaint', () => complaints.includes(`throngwire: ${file}`));
    await says(client, 'after');
    assert.equal(readFileSync(`${file}.applied`, 'utf8'), wire);
    assert.equal(child.exitCode, null);
    client.socket.destroy();
  });
});
