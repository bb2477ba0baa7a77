// SPDX-License-Identifier: Apache-2.0
// The Web API as other real clients speak it, byte by byte: wee-slack (GET, booleans as True), libpurple (multipart without
// its closing boundary, over HTTP/1.0), symfony (JSON with Bearer), localslackirc (gzip, limit=5000).
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { assertHas } from './support/expect.mjs';
import { RawConnection, exchange } from './support/raw_http.mjs';
import { Throngd } from './support/throngd.mjs';
import { createChannel, createWorkspace } from './support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme');
const { alice, bob } = acme.people;
const host = new URL(server.client).host;
const archived = await createChannel(alice, 'old');
await alice.web.conversations.archive({ channel: archived.id });

/** One request with a body of its length; `lines` are further header lines. */
function request(method, path, { lines = [], body = '', version = '1.1' } = {}) {
  const length = method === 'GET' && !body ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  return `${method} ${path} HTTP/${version}\r\n${[`Host: ${host}`, ...lines, ...length].join('\r\n')}\r\n\r\n${body}`;
}
const form = 'Content-Type: application/x-www-form-urlencoded';
const bearer = `Authorization: Bearer ${alice.token}`;
async function answer(...args) {
  const response = await exchange(server, request(...args));
  assert.equal(response.status, 200, response.text);
  assert.match(response.headers['content-type'], /^application\/json; ?charset=utf-8$/i);
  return response.json;
}
const newest = async () => (await bob.web.conversations.history({ channel: acme.general, limit: 1 })).messages[0].text;

describe('http', () => {
  after(() => server.stop());

  it('GET with everything in the query, booleans spelled True and 1', async () => {
    const has = async (flag) => (await answer('GET', `/api/conversations.list?token=${alice.token}&limit=1000&exclude_archived=${flag}`)).channels.some((c) => c.id === archived.id);
    for (const flag of ['True', 'true', '1']) assert.equal(await has(flag), false, flag);
    for (const flag of ['False', 'false', '0']) assert.equal(await has(flag), true, flag);
  });

  it('a form, with plus signs, percent signs and UTF-8', async () => {
    const body = `token=${alice.token}&channel=${acme.general}&text=a+b%20c%2Bd%26%C3%A9%F0%9F%8E%89`;
    assertHas(await answer('POST', '/api/chat.postMessage', { lines: [form], body }), { ok: true, message: { text: 'a b c+d&amp;é🎉' } });
  });

  it('JSON with a Bearer token, typed values inside', async () => {
    const body = JSON.stringify({ channel: acme.general, text: 'as "JSON" \u00e9', unfurl_links: false, blocks: [{ type: 'divider', block_id: 'x' }] });
    const json = await answer('POST', '/api/chat.postMessage', { lines: ['Content-Type: application/json; charset=utf-8', bearer], body });
    assertHas(json, { ok: true, message: { text: 'as "JSON" é', blocks: [{ type: 'divider', block_id: 'x' }] } });
  });

  for (const [name, closing] of [['with', '--b0undary--\r\n'], ['without', '']]) {
    for (const version of ['1.0', '1.1']) {
      it(`multipart ${name} its closing boundary over HTTP/${version}`, async () => {
        const parts = { token: alice.token, channel: acme.general, text: `multipart ${name} ${version} – é` };
        const body = Object.entries(parts).map(([key, value]) => `--b0undary\r\nContent-Disposition: form-data; name="${key}"\r\n\r\n${value}\r\n`).join('') + closing;
        const json = await answer('POST', '/api/chat.postMessage', { version, lines: ['Content-Type: multipart/form-data; boundary=b0undary'], body });
        assertHas(json, { ok: true, message: { text: parts.text } });
        assert.equal(await newest(), parts.text);
      });
    }
  }

  it('HTTP/1.0 gets Content-Length, never chunks, and the connection closes', async () => {
    const connection = await RawConnection.open(server);
    connection.send(`GET /api/api.test?foo=bar HTTP/1.0\r\n\r\n`);
    const response = await connection.response();
    assert.equal(response.headers['transfer-encoding'], undefined);
    assert.ok(Number(response.headers['content-length']) > 0);
    assertHas(response.json, { ok: true, args: { foo: 'bar' } });
    await connection.ended;
  });

  it('an empty POST body', async () => {
    assertHas(await answer('POST', '/api/auth.test', { lines: [bearer, form] }), { ok: true, user_id: alice.id });
    assertHas(await answer('POST', '/api/auth.test', { lines: [bearer] }), { ok: true });
  });

  it('a chunked body', async () => {
    const response = await exchange(server, `POST /api/api.test HTTP/1.1\r\nHost: ${host}\r\n${form}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfoo=\r\n3\r\nbar\r\n0\r\n\r\n`);
    assertHas(response.json, { ok: true, args: { foo: 'bar' } });
  });

  it('gzip only for those who ask for it', async () => {
    const path = `/api/users.list?token=${alice.token}&limit=5000`;
    const plain = await exchange(server, request('GET', path));
    assert.equal(plain.headers['content-encoding'], undefined);
    const zipped = await exchange(server, request('GET', path, { lines: ['Accept-Encoding: gzip, deflate'] }));
    assert.equal(zipped.headers['content-encoding'], 'gzip');
    assert.deepEqual(zipped.json.members.map((m) => m.id), plain.json.members.map((m) => m.id));
  });

  it('keep-alive and pipelined requests are answered in order', async () => {
    const connection = await RawConnection.open(server);
    connection.send([1, 2, 3].map((n) => request('GET', `/api/api.test?n=${n}`)).join(''));
    for (const n of ['1', '2', '3']) assertHas((await connection.response()).json, { ok: true, args: { n } });
    connection.send(request('GET', '/api/api.test?n=4'));
    assertHas((await connection.response()).json, { args: { n: '4' } });
    connection.close();
  });

  it('a request that comes byte by byte', async () => {
    const connection = await RawConnection.open(server);
    connection.socket.setNoDelay(true);
    for (const byte of request('POST', '/api/api.test', { lines: [form], body: 'slow=yes' })) connection.send(byte);
    assertHas((await connection.response()).json, { ok: true, args: { slow: 'yes' } });
    connection.close();
  });

  it('Expect: 100-continue', async () => {
    const connection = await RawConnection.open(server);
    connection.send(`POST /api/api.test HTTP/1.1\r\nHost: ${host}\r\n${form}\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n`);
    assert.equal((await connection.response()).status, 100);
    connection.send('foo=bar');
    assertHas((await connection.response()).json, { ok: true, args: { foo: 'bar' } });
    connection.close();
  });

  it('broken bodies are refused with the right code, and the answer is still 200', async () => {
    const json = 'Content-Type: application/json';
    const cases = [
      [{ lines: [json, bearer], body: '{"channel":' }, /^invalid_json$/],
      [{ lines: [json, bearer], body: '[1,2]' }, /^json_not_object$/],
      [{ lines: [json, bearer], body: '"text"' }, /^json_not_object$/],
      [{ lines: [json, bearer], body: '{"channel":"\xff\xfe"}' }, /./],
      [{ lines: [json, bearer], body: JSON.stringify({ channel: { a: 1 }, text: 'x' }) }, /^(invalid_arguments|channel_not_found|invalid_array_arg)$/],
      [{ lines: [json, bearer], body: JSON.stringify({ channel: acme.general, text: ['x'] }) }, /^(invalid_arguments|invalid_array_arg|no_text)$/],
      [{ lines: ['Content-Type: multipart/form-data', bearer], body: 'x' }, /^(invalid_form_data|missing_argument|invalid_arguments)$/],
      [{ lines: ['Content-Type: application/pdf', bearer], body: 'x' }, /^(invalid_post_type|missing_argument|invalid_arguments)$/],
    ];
    for (const [options, code] of cases) {
      const body = await answer('POST', '/api/chat.postMessage', options);
      assert.equal(body.ok, false, options.body);
      assert.match(body.error, code, options.body);
    }
  });

  it('a browser may call from another origin', async () => {
    const response = await exchange(server, request('GET', '/api/api.test', { lines: ['Origin: https://app.example.test'] }));
    assert.ok(['*', 'https://app.example.test'].includes(response.headers['access-control-allow-origin']), JSON.stringify(response.headers));
  });

  it('anything that is not under /api is 404, not a crash', async () => {
    for (const path of ['/nothing', '/api', '/../../etc/passwd', '/api/../admin', '//', '/%00', `/${'x'.repeat(5000)}`]) {
      const { status } = await exchange(server, request('GET', path));
      assert.ok(status === 200 || (status >= 300 && status < 500), `${path}: ${status}`);
    }
    assertHas(await answer('GET', '/api/api.test'), { ok: true });
  });

  it('the health and metrics of the admin port are not on the client port', async () => {
    for (const path of ['/healthz', '/readyz']) assert.equal((await fetch(server.admin + path)).status, 200, path);
    const metrics = await (await fetch(`${server.admin}/metrics`)).text();
    assert.match(metrics, /^# TYPE \w+ (counter|gauge|histogram)$/m);
    assert.equal((await fetch(`${server.client}/metrics`)).status, 404);
  });
});
