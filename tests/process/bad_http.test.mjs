// SPDX-License-Identifier: Apache-2.0
// Requests that are no requests. Always a clear answer or a closed connection; a client beside them notices nothing; the
// memory stays where it was.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Bystander } from '../sdk/support/bystander.mjs';
import { within } from '../sdk/support/deadline.mjs';
import { assertHas } from '../sdk/support/expect.mjs';
import { RawConnection, exchange } from '../sdk/support/raw_http.mjs';
import { Throngd } from '../sdk/support/throngd.mjs';
import { call, createWorkspace } from '../sdk/support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme');
const { alice, bob } = acme.people;
const bystander = await Bystander.join(bob, acme.general);
await bystander.isFine();
const resident = server.residentBytes;
const headers = `Host: x\r\nAuthorization: Bearer ${alice.token}`;
const MiB = 1 << 20;

/** What happens to a connection that sends this: 'closed', or the status of the answer. */
async function outcome(...chunks) {
  const connection = await RawConnection.open(server);
  for (const chunk of chunks) connection.send(chunk);
  connection.socket.end();
  const answer = await within('an answer or the end', Promise.race([connection.response(), connection.ended.then(() => 'closed')]).catch(() => 'closed'));
  connection.close();
  return answer === 'closed' ? answer : answer.status;
}
const isRefused = (result) => result === 'closed' || (result >= 400 && result < 500);

describe('bad HTTP', () => {
  after(async () => {
    await bystander.leave();
    await server.stop();
  });

  const broken = {
    'binary garbage': [Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 131 + 7) % 256))],
    'a TLS hello on the plain port': [Buffer.from('16030100c8010000c40303', 'hex'), Buffer.alloc(190, 1)],
    'an HTTP/2 preface': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    'line noise': ['\r\n\r\n\r\n\r\nhello?\r\n\r\n'],
    'a request line without a version': ['GET /api/api.test\r\n\r\n'],
    'a version from the future': ['GET /api/api.test HTTP/9.9\r\nHost: x\r\n\r\n'],
    'a request line of 200 KB': [`GET /${'x'.repeat(200_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
    'a header of 200 KB': [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(200_000)}\r\n\r\n`],
    '20,000 headers': [`GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(20_000)}\r\n`],
    'a header without a colon': ['GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n'],
    'a zero byte in a header': ['GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n'],
    'a negative length': [`POST /api/api.test HTTP/1.1\r\n${headers}\r\nContent-Length: -1\r\n\r\n`],
    'a length that is no number': [`POST /api/api.test HTTP/1.1\r\n${headers}\r\nContent-Length: many\r\n\r\n`],
    'a length beyond all bounds': [`POST /api/api.test HTTP/1.1\r\n${headers}\r\nContent-Length: 99999999999999999999\r\n\r\n`],
    'two different lengths': [`POST /api/api.test HTTP/1.1\r\n${headers}\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nfoo=b`],
    'length and chunks at once': [`POST /api/api.test HTTP/1.1\r\n${headers}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    'a body of 5 GB, announced': [`POST /api/api.test HTTP/1.1\r\n${headers}\r\nContent-Length: 5000000000\r\n\r\nx`],
    'a body of 2 MB, sent': [`POST /api/api.test HTTP/1.1\r\n${headers}\r\nContent-Length: ${2 * MiB}\r\n\r\n`, Buffer.alloc(2 * MiB, 'a')],
    'a chunk of 2^64 bytes': [`POST /api/api.test HTTP/1.1\r\n${headers}\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nx`],
    'a chunk size that is no number': [`POST /api/api.test HTTP/1.1\r\n${headers}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx`],
    'chunks without end': [`POST /api/api.test HTTP/1.1\r\n${headers}\r\nTransfer-Encoding: chunked\r\n\r\n${`1000\r\n${'a'.repeat(4096)}\r\n`.repeat(300)}`],
    'half a header': ['GET /api/api.test HTTP/1.1\r\nHos'],
    'half a body': [`POST /api/api.test HTTP/1.1\r\n${headers}\r\nContent-Length: 100\r\n\r\nfoo=`],
    'nothing at all': [''],
  };
  for (const [name, chunks] of Object.entries(broken)) {
    it(`${name} is refused`, async () => {
      const result = await outcome(...chunks);
      assert.ok(isRefused(result), `${result}`);
      await bystander.isFine();
    });
  }

  it('an unknown HTTP method does nothing, OPTIONS and HEAD are answered', async () => {
    const brew = await exchange(server, `BREW /api/chat.postMessage?channel=${acme.general}&text=x HTTP/1.1\r\n${headers}\r\n\r\n`);
    assert.ok(brew.status >= 400 || brew.json.ok === false, brew.text);
    for (const method of ['OPTIONS', 'HEAD']) {
      const connection = await RawConnection.open(server);
      connection.send(`${method} /api/api.test HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      await within(`${method} to be answered`, connection.ended);
      assert.match(String(connection.bytes), /^HTTP\/1\.1 [24]\d\d /, method);
    }
  });

  it('a refusal says why', async () => {
    const tooLarge = await exchange(server, `POST /api/api.test HTTP/1.1\r\n${headers}\r\nContent-Length: 50000000\r\n\r\n`);
    assert.equal(tooLarge.status, 413);
    const headerTooLarge = await exchange(server, `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(40_000)}\r\n\r\n`);
    assert.ok([400, 431].includes(headerTooLarge.status), `${headerTooLarge.status}`);
    assert.ok(tooLarge.text.length > 0 && headerTooLarge.text.length > 0);
  });

  describe('slow clients', () => {
    // A server of their own: all others may take their time, on a busy machine.
    let hasty, innocent;
    before(async () => {
      hasty = await Throngd.start({ settings: { gateway: { header_timeout: '2s', body_timeout: '2s' } } });
      const { people, general } = await createWorkspace(hasty, 'acme');
      innocent = await Bystander.join(people.bob, general);
    });
    after(async () => {
      await innocent.leave();
      await hasty.stop();
    });

    it('a client that never finishes its header is dropped after header_timeout, 50 of them at once', async () => {
      const slow = await Promise.all(Array.from({ length: 50 }, () => RawConnection.open(hasty)));
      for (const connection of slow) connection.send('GET /api/api.test HTTP/1.1\r\nHost: x\r\nX-Slow: ');
      await innocent.isFine();
      await within('slow clients to be dropped', Promise.all(slow.map((connection) => connection.ended)));
    });

    it('a client that drips its header is dropped all the same', async () => {
      const connection = await RawConnection.open(hasty);
      connection.send('GET /api/api.test HTTP/1.1\r\nHost: x\r\n');
      const drip = setInterval(() => connection.send('a'), 50);
      try {
        await within('the dripping client to be dropped', connection.ended);
      } finally {
        clearInterval(drip);
      }
    });

    it('a client that never finishes its body is dropped after body_timeout', async () => {
      const connection = await RawConnection.open(hasty);
      connection.send(`POST /api/api.test HTTP/1.1\r\n${headers}\r\nContent-Length: 100\r\n\r\nfoo=`);
      await within('the slow client to be dropped', connection.ended);
      await innocent.isFine();
    });
  });

  describe('JSON bombs', () => {
    const post = async (text, type = 'application/json') => {
      const response = await fetch(`${server.api}/chat.postMessage`, { method: 'POST', headers: { 'content-type': type, authorization: `Bearer ${alice.token}` }, body: text });
      return { status: response.status, ...(await response.json()) };
    };
    const bombs = {
      'an array 200,000 deep': `${'['.repeat(200_000)}${']'.repeat(200_000)}`,
      'an object 100,000 deep': `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`,
      'a depth that is never closed': '['.repeat(500_000),
      '60,000 members': `{${Array.from({ length: 60_000 }, (_, i) => `"k${i}":1`).join(',')}}`,
      'the same name 100,000 times': `{${'"channel":1,'.repeat(80_000)}"text":"x"}`,
      'a number of 900,000 digits': `{"channel":${'9'.repeat(900_000)}}`,
      'an exponent beyond all bounds': '{"channel":1e999999999999}',
      'a lone surrogate': '{"channel":"\\ud800"}',
      'a NUL in a string': '{"channel":"C\\u0000"}',
    };
    for (const [name, text] of Object.entries(bombs)) {
      it(`${name} is refused`, async () => {
        assertHas(await post(text), { status: 200, ok: false, error: (e) => !/internal_error|fatal_error|request_timeout/.test(e) });
        await bystander.isFine();
      });
    }

    it('inside blocks, attachments and metadata too', async () => {
      const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
      const nested = `${'{"elements":['.repeat(500)}1${']}'.repeat(500)}`;
      for (const name of ['blocks', 'attachments', 'metadata']) {
        for (const bomb of [deep, `[${nested}]`, `[{"type":"x","y":${'9'.repeat(300_000)}}]`]) {
          assertHas(await call(server, 'chat.postMessage', { channel: acme.general, text: 'x', [name]: bomb }, { token: alice.token }), { status: 200, ok: false, error: /^(invalid|msg_blocks_too_long|metadata_too_large|too_)/ }, name);
        }
      }
      await bystander.isFine();
    });

    it('a compressed body is refused, not unpacked', async () => {
      const response = await fetch(`${server.api}/api.test`, { method: 'POST', headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' }, body: Buffer.alloc(1000, 31) });
      const text = await response.text();
      assert.ok(response.status >= 400 || JSON.parse(text).ok === false, `${response.status} ${text}`);
    });

    it('100,000 form fields, and a multipart of 50,000 parts', async () => {
      assertHas(await post('a=1&'.repeat(100_000), 'application/x-www-form-urlencoded'), { ok: false });
      assertHas(await post('--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'.repeat(15_000), 'multipart/form-data; boundary=b'), { ok: false });
      await bystander.isFine();
    });
  });

  it('after all this the memory is where it was', () => server.memoryBelow(resident + 64 * MiB, `started with ${resident >> 20} MiB`));
});
