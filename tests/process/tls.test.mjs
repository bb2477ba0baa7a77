// SPDX-License-Identifier: Apache-2.0
// TLS on the client port: the official packages over https and wss, clients that speak something else or stop half way
// through their handshake, and certificates that can't be used.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { certificateFiles, selfSigned } from '../sdk/support/certificate.mjs';
import { eventually, within } from '../sdk/support/deadline.mjs';
import { Listener } from '../sdk/support/listener.mjs';
import { RawConnection } from '../sdk/support/raw_http.mjs';
import { generations, useAgent, webClient } from '../sdk/support/slack.mjs';
import { Socket, resumeWith } from '../sdk/support/socket.mjs';
import { Throngd, runToEnd, settingsFor, temporaryFolder } from '../sdk/support/throngd.mjs';
import { createChannel, createWorkspace } from '../sdk/support/workspace.mjs';

const folder = temporaryFolder();
const { certificate: ca, settings: tls } = certificateFiles(folder);
const handshake_ms = 6000;
const server = await Throngd.start({ settings: { tls, gateway: { handshake_timeout: `${handshake_ms}ms` } } });
const agent = new Agent({ ca, keepAlive: true });
useAgent(server.client, agent);
const acme = await createWorkspace(server, 'acme');
const { alice, bob } = acme.people;

/** Processor time of the process so far, in milliseconds, all threads, as the kernel counts it. */
function cpu_ms() {
  const fields = readFileSync(`/proc/${server.pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12])); // utime, stime; a tick is 10 ms
}

/** What a client sends first. */
async function clientHello() {
  const listener = createServer();
  await new Promise((done) => { listener.listen(0, '127.0.0.1', done); });
  const hello = new Promise((done) => listener.once('connection', (socket) => socket.once('data', (data) => { socket.destroy(); done(data); })));
  connectTls({ host: '127.0.0.1', port: listener.address().port }).on('error', () => {});
  return within('a ClientHello', hello).finally(() => listener.close());
}

describe('TLS', () => {
  after(async () => {
    agent.destroy();
    await server.stop();
  });

  it('the ready line says https', () => assert.match(server.client, /^https:\/\/127\.0\.0\.1:\d+$/));

  for (const generation of Object.keys(generations)) {
    for (const [how, options] of Object.entries({ agent: {}, 'agent and tls': { tls: { ca } } })) {
      it(`50 messages by https and 50 by wss arrive in order; packages of generation ${generation}, ${how}`, async () => {
        const { id: channel } = await createChannel(alice, `tls-${generation}-${how.replaceAll(' ', '-')}`, [bob]);
        const line = await Listener.connect(server, bob, { generation, ...options });
        assert.match(line.boot.url, /^wss:\/\//);
        const web = webClient(server.client, alice.token, { generation });
        const texts = (writer) => Array.from({ length: 50 }, (_, i) => `${writer} ${i}`);
        const byApi = async () => { for (const text of texts('api')) await web.chat.postMessage({ channel, text }); };
        const bySocket = () => Promise.all(texts('socket').map((text) => line.rtm.sendMessage(text, channel)));
        await Promise.all([byApi(), bySocket()]);

        const { messages } = await web.conversations.history({ channel, limit: 200 });
        const stored = messages.filter((m) => !m.subtype).reverse().map((m) => m.text);
        for (const writer of ['api', 'socket']) assert.deepEqual(stored.filter((t) => t.startsWith(writer)), texts(writer));
        const others = stored.filter((t) => t.startsWith('api'));
        const seen = () => line.all('message', { channel }).map((m) => m.text).filter((t) => t.startsWith('api'));
        await eventually('all messages', () => seen().length >= others.length);
        assert.deepEqual(seen(), others);
        await line.close();
      });
    }
  }

  it('a cut connection comes back over wss and gets exactly what it missed', async () => {
    const { id: channel } = await createChannel(alice, 'missed', [bob]);
    const first = await Socket.connect(bob, {}, { ca });
    await alice.web.chat.postMessage({ channel, text: 'seen' });
    await first.expect({ type: 'message', text: 'seen' });
    first.cut();
    await first.closed;
    const missed = Array.from({ length: 20 }, (_, i) => `missed ${i}`);
    for (const text of missed) await alice.web.chat.postMessage({ channel, text });
    const second = await Socket.connect(bob, resumeWith(first.boot.session, first.frames), { ca });
    const { ts } = await alice.web.chat.postMessage({ channel, text: 'fence' });
    await second.expect({ type: 'message', ts });
    const texts = second.frames.filter((f) => f.type === 'message' && f.channel === channel).map((f) => f.text);
    assert.deepEqual(texts, [...missed, 'fence']);
    assert.ok(!second.frames.some((f) => f.type === 'gap'));
    await second.close();
  });

  it('an answer of many records arrives whole', async () => {
    const { id: channel } = await createChannel(alice, 'large', [bob]);
    const text = 'ä'.repeat(3_900);
    for (let i = 0; i < 30; ++i) await alice.web.chat.postMessage({ channel, text });
    const { messages } = await bob.web.conversations.history({ channel, limit: 30 });
    assert.equal(messages.filter((m) => m.text === text).length, 30);
  });

  it('a client that does not trust the certificate is the only one that minds', async () => {
    const stranger = webClient(server.client, alice.token, { agent: new Agent() });
    await assert.rejects(stranger.api.test(), /self.signed/);
    assert.ok((await alice.web.api.test()).ok);
  });

  for (const [what, bytes] of Object.entries({
    'a plain HTTP request': 'GET /api/api.test HTTP/1.1\r\nHost: x\r\n\r\n',
    'binary garbage': Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 131 + 7) % 256)),
    'a hello that announces more than a record holds': Buffer.from('160301ffff0100', 'hex'),
  })) {
    it(`${what} on the TLS port is ended at once`, async () => {
      const connection = await RawConnection.open(server);
      connection.send(bytes);
      await within('the end', connection.ended, handshake_ms / 2);
      assert.ok(connection.bytes.length < 100, `it answered ${connection.bytes.length} bytes`); // an alert at most
      assert.ok((await alice.web.api.test()).ok);
    });
  }

  it('a handshake that stops half way is closed at its deadline and costs no processor time', async () => {
    const hello = await clientHello();
    const descriptors = server.descriptors;
    const before = cpu_ms();
    const begin = Date.now();
    const stuck = [];
    for (const bytes of [Buffer.alloc(0), hello.subarray(0, 3), hello.subarray(0, hello.length - 1), hello]) {
      for (let i = 0; i < 10; ++i) {
        const connection = await RawConnection.open(server);
        if (bytes.length > 0) connection.send(bytes);
        stuck.push(connection);
      }
    }
    await within('all ends', Promise.all(stuck.map((c) => c.ended)), 3 * handshake_ms);
    const lasted = Date.now() - begin;
    assert.ok(lasted >= 0.9 * handshake_ms, `closed after ${lasted} ms`);
    const spent = cpu_ms() - before;
    assert.ok(spent < lasted / 5, `${spent} ms of processor time in ${lasted} ms`);
    await eventually('their descriptors to be free', () => server.descriptors <= descriptors);
    assert.ok((await alice.web.api.test()).ok);
  });

  it('one that goes away in the middle of its handshake leaves nothing behind', async () => {
    const hello = await clientHello();
    const descriptors = server.descriptors;
    for (let i = 0; i < 50; ++i) {
      const connection = await RawConnection.open(server);
      connection.send(hello.subarray(0, 1 + i));
      if (i % 2 === 0) connection.socket.resetAndDestroy();
      else connection.close();
    }
    await eventually('their descriptors to be free', () => server.descriptors <= descriptors, handshake_ms);
  });
});

describe('a certificate that can not be used', () => {
  const pair = selfSigned();
  const day = 86_400_000;
  const file = (name, text) => { const path = join(folder, name); writeFileSync(path, text); return path; };
  const certificate = file('good.pem', pair.certificate);
  const key = file('good.key', pair.key);
  const expired = certificateFiles(folder, selfSigned({ from: new Date(Date.now() - 2 * day), to: new Date(Date.now() - day) }), 'expired').settings;
  const wrong = {
    'a certificate that is not there': [{ certificate: join(folder, 'absent.pem'), key }, /tls\.certificate: expected a file that can be read/],
    'a key that is not there': [{ certificate, key: join(folder, 'absent.key') }, /tls\.key: expected a file that can be read/],
    'a certificate without its key': [{ certificate }, /tls/],
    'a certificate that is none': [{ certificate: file('none.pem', 'this is no certificate\n'), key }, /none\.pem/],
    'a key that is none': [{ certificate, key: file('none.key', 'this is no key\n') }, /none\.key/],
    'a key of another certificate': [{ certificate, key: file('other.key', selfSigned().key) }, /other\.key.*doesn't belong.*good\.pem/],
    'a certificate that has expired': [expired, /expired\.pem has expired/],
  };
  for (const [what, [settings, why]] of Object.entries(wrong)) {
    it(`${what} is refused with code 2 and one sentence, and nothing is made`, async () => {
      const data = join(folder, 'data');
      const config = file('refused.yaml', JSON.stringify(settingsFor(data, { tls: settings })));
      const { code, stdout, stderr } = await runToEnd(['--config', config]);
      assert.equal(code, 2, stderr);
      assert.equal(stdout, '');
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
      assert.match(stderr, why);
      assert.ok(stderr.includes('refused.yaml'), stderr);
      assert.ok(!existsSync(data));
    });
  }
});
