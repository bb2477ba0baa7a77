// SPDX-License-Identifier: Apache-2.0
// Websocket clients that break the rules. RFC 6455 says with which code each is closed; nobody else notices.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { Bystander } from '../sdk/support/bystander.mjs';
import { eventually, within } from '../sdk/support/deadline.mjs';
import { RawConnection, exchange } from '../sdk/support/raw_http.mjs';
import { closeCode, frame, frames, opcode, rawWebsocket } from '../sdk/support/raw_websocket.mjs';
import { metrics } from '../sdk/support/shell.mjs';
import { Socket, resumeWith } from '../sdk/support/socket.mjs';
import { Throngd } from '../sdk/support/throngd.mjs';
import { createWorkspace, signIn } from '../sdk/support/workspace.mjs';

const server = await Throngd.start();
const acme = await createWorkspace(server, 'acme', ['alice', 'bob']);
const { alice, bob } = acme.people;
const bystander = await Bystander.join(bob, acme.general);
await bystander.isFine();
const resident = server.residentBytes;
const MiB = 1 << 20;

/** 20 MB of messages by eight hands; their ts in order. */
async function postMuch(person, channel) {
  const text = 'z'.repeat(39_000);
  const posted = [];
  let next = 0;
  await Promise.all(Array.from({ length: 8 }, async () => {
    while (next < 500) posted.push((await person.web.chat.postMessage({ channel, text: `${next++} ${text}` })).ts);
  }));
  return posted.sort();
}

const connect = async () => rawWebsocket(server, (await alice.web.rtm.connect()).url);
const ping = JSON.stringify({ id: 1, type: 'ping' });
/** The payloads of the JSON frames so far. */
const received = (connection) => frames(connection).filter((f) => f.code === opcode.text).map((f) => JSON.parse(String(f.payload)));
const pong = (connection) => eventually('pong', () => received(connection).find((f) => f.type === 'pong'));

describe('bad websockets', () => {
  after(async () => {
    await bystander.leave();
    await server.stop();
  });

  const closed = {
    'an unmasked frame': [frame(opcode.text, ping, { mask: false }), [1002]],
    'a reserved bit': [frame(opcode.text, ping, { reserved: 4 }), [1002]],
    'a reserved opcode': [frame(3, ping), [1002]],
    'a reserved control opcode': [frame(11, ''), [1002]],
    'a fragmented control frame': [frame(opcode.ping, 'x', { fin: false }), [1002]],
    'a control frame of 126 bytes': [frame(opcode.ping, 'x'.repeat(126)), [1002]],
    'a continuation of nothing': [frame(opcode.continuation, 'x'), [1002]],
    'a new message within a fragmented one': [Buffer.concat([frame(opcode.text, 'a', { fin: false }), frame(opcode.text, 'b')]), [1002]],
    'a frame that claims 2^63 bytes': [frame(opcode.text, 'x', { length: 2n ** 63n }), [1002, 1009]],
    'a frame that claims 1 GB': [frame(opcode.text, 'x', { length: 2 ** 30 }), [1009]],
    'a message over 16 KiB': [frame(opcode.text, JSON.stringify({ id: 1, type: 'ping', x: 'y'.repeat(17_000) })), [1009]],
    'a message over 16 KiB in small fragments': [Buffer.concat([frame(opcode.text, 'x'.repeat(1000), { fin: false }), ...Array.from({ length: 30 }, () => frame(opcode.continuation, 'x'.repeat(1000), { fin: false }))]), [1009]],
    'invalid UTF-8': [frame(opcode.text, Buffer.from([0x7b, 0xff, 0xfe, 0x7d])), [1007]],
    'UTF-8 broken at the end of the message': [frame(opcode.text, Buffer.from([0x22, 0xe2, 0x82])), [1007]],
    'a close frame of one byte': [frame(opcode.close, 'x'), [1002]],
    'a close code that may not be sent': [frame(opcode.close, Buffer.from([0x03, 0xed])), [1002]],
    'a close reason that is not UTF-8': [frame(opcode.close, Buffer.from([0x03, 0xe8, 0xff, 0xff])), [1002, 1007]],
    'plain HTTP after the upgrade': [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), [1002]],
    'garbage': [Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * 197 + 73) % 256)), [1002, 1009]],
  };
  for (const [name, [bytes, codes]] of Object.entries(closed)) {
    it(`${name} closes the line with ${codes.join(' or ')}`, async () => {
      const connection = await connect();
      connection.send(bytes);
      const code = await closeCode(connection);
      assert.ok(codes.includes(code), `closed with ${code}`);
      await bystander.isFine();
    });
  }

  it('a binary message is refused or closed, not taken for text', async () => {
    const connection = await connect();
    connection.send(frame(opcode.binary, ping));
    const outcome = await Promise.race([closeCode(connection), eventually('an error', () => received(connection).find((f) => f.type === 'error'))]);
    assert.ok(outcome === 1003 || outcome === 1008 || outcome?.type === 'error', JSON.stringify(outcome));
    connection.close();
  });

  it('fragments with control frames between them, byte by byte, are one message', async () => {
    const connection = await connect();
    const bytes = Buffer.concat([frame(opcode.text, ping.slice(0, 5), { fin: false }), frame(opcode.ping, 'mid'), frame(opcode.continuation, '', { fin: false }),
      frame(opcode.pong, 'unasked'), frame(opcode.continuation, ping.slice(5))]);
    connection.socket.setNoDelay(true);
    for (const byte of bytes) connection.send(Buffer.from([byte]));
    await pong(connection);
    assert.equal(String(frames(connection).find((f) => f.code === opcode.pong).payload), 'mid');
    connection.close();
  });

  it('a message cut off in the middle of a frame, and of a character', async () => {
    for (const bytes of [frame(opcode.text, ping).subarray(0, 9), frame(opcode.text, Buffer.from([0xe2, 0x82]), { fin: false })]) {
      const connection = await connect();
      connection.send(bytes);
      connection.socket.end();
      await within('the server to let go', connection.ended);
    }
    await bystander.isFine();
  });

  it('the close handshake is answered with the same code', async () => {
    const connection = await connect();
    connection.send(frame(opcode.close, Buffer.from([0x03, 0xe8])));
    assert.equal(await closeCode(connection), 1000);
  });

  it('ten thousand pings in one go are answered or refused within bounds', async () => {
    const connection = await connect();
    connection.send(Buffer.concat(Array.from({ length: 10_000 }, () => frame(opcode.ping, 'x'.repeat(100)))));
    await bystander.isFine();
    connection.close();
  });

  it('a flood of messages gets errors or backpressure; what is acknowledged is stored', async () => {
    const socket = await Socket.connect(alice);
    for (let id = 1; id <= 300; ++id) socket.send({ id, type: 'message', channel: acme.general, text: `flood ${id}` });
    await bystander.isFine();
    await eventually('every frame to be answered', () => socket.ws.readyState !== 1 || new Set(socket.frames.filter((f) => f.reply_to).map((f) => f.reply_to)).size === 300);
    const acknowledged = socket.frames.filter((f) => f.reply_to && f.ok).length;
    const { messages } = await bob.web.conversations.history({ channel: acme.general, limit: 1000 });
    assert.equal(messages.filter((m) => m.text?.startsWith('flood')).length, acknowledged);
    socket.cut();
  });

  it('bad upgrades are refused with an HTTP status', async () => {
    const good = { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' };
    const changes = [{ Upgrade: 'h2c' }, { Connection: 'close' }, { 'Sec-WebSocket-Version': '7' }, { 'Sec-WebSocket-Key': '' }, { 'Sec-WebSocket-Key': 'short' }];
    for (const change of changes) {
      const { url } = await alice.web.rtm.connect();
      const { pathname, search, host } = new URL(url);
      const lines = Object.entries({ Host: host, ...good, ...change }).map(([k, v]) => `${k}: ${v}`).join('\r\n');
      const { status } = await exchange(server, `GET ${pathname}${search} HTTP/1.1\r\n${lines}\r\n\r\n`);
      assert.ok(status >= 400 && status < 500, `${JSON.stringify(change)}: ${status}`);
    }
    await bystander.isFine();
  });

  it('500 wrong tickets in a row, for a session that waits and for none', async () => {
    const { url } = await alice.web.rtm.connect();
    const guess = (n) => url.replace(/[0-9a-f]{32}$/, String(n).padStart(32, '0'));
    assert.notEqual(guess(1), url);
    for (let i = 0; i < 10; ++i) {
      await Promise.all(Array.from({ length: 50 }, async (_, n) => {
        const wrong = n % 2 ? guess(50 * i + n) : guess(50 * i + n).replace(/\/rtm\/[^.]*/, '/rtm/S0123456789AB');
        const socket = await Socket.open(wrong, { expectHello: false }).catch((error) => error);
        if (socket instanceof Error) return;
        await within('the wrong ticket to be refused', socket.closed);
        assert.ok(!socket.frames.some((f) => f.type === 'hello'));
      }));
    }
    await bystander.isFine();
    const socket = await Socket.open(url);
    await socket.close();
  });

  // The kernel's buffers hold as much as they like, so it isn't known how often the server finds the client behind: not
  // at all, once (a gap on the same line), or twice within a short time (a goodbye; what it missed it gets by resuming).
  it('a client that reads again in time catches up on the same line, or is told what it missed', async () => {
    const lazy = await signIn(acme, alice.id);
    const boot = await lazy.web.rtm.connect();
    const connection = await rawWebsocket(server, boot.url);
    await eventually('hello', () => received(connection).some((f) => f.type === 'hello'));
    const overflows = async () => (await metrics(server)).throng_socket_overflows_total;
    const overflowsBefore = await overflows();
    connection.socket.pause();
    let isPast = false;
    const posting = (async () => {
      const all = await postMuch(bob, acme.general);
      await bystander.isFine();
      await server.memoryBelow(resident + 128 * MiB, `20 MB were posted past a client that never reads; started with ${resident >> 20} MiB`);
      return all;
    })().finally(() => { isPast = true; });
    // Found behind twice, it has two seconds to read the goodbye.
    await eventually('all to be posted', async () => isPast || await overflows() >= overflowsBefore + 2, 60_000);
    connection.socket.resume();
    const posted = await posting;
    let isClosed = false;
    void connection.ended.then(() => { isClosed = true; });
    // One fence may be in the gap.
    const fences = [];
    await eventually('a message behind the others, or the end of the line', async () => {
      if (isClosed) return true;
      fences.push((await bob.web.chat.postMessage({ channel: acme.general, text: 'fence' })).ts);
      return received(connection).some((f) => fences.includes(f.ts));
    });
    const events = received(connection).filter((f) => posted.includes(f.ts) || (f.type === 'gap' && f.stream === acme.general));
    const seen = events.map((f) => f.ts).filter(Boolean);
    assert.deepEqual(seen, [...new Set(seen)].sort(), 'in order, none twice');
    const hasGap = events.some((f) => f.type === 'gap');
    if (!isClosed) {
      if (!hasGap) assert.deepEqual(seen, posted);
      return connection.close();
    }
    assert.equal(await closeCode(connection), 1013);
    const again = await Socket.connect(lazy, resumeWith(boot.session, received(connection)));
    const { ts: fence } = await bob.web.chat.postMessage({ channel: acme.general, text: 'fence' });
    await again.expect({ ts: fence });
    const rest = again.frames.filter((f) => posted.includes(f.ts)).map((f) => f.ts);
    const all = [...seen, ...rest];
    assert.deepEqual(all, [...new Set(all)].sort(), 'in order, none twice');
    const isToldOfMissing = hasGap || again.frames.some((f) => f.type === 'gap' && f.stream === acme.general);
    if (!isToldOfMissing) assert.deepEqual(all, posted);
    await again.close();
  });

  it('a client that never reads again is cut off, and catches up when it comes back', async () => {
    const other = await Throngd.start({ settings: { gateway: { stall_timeout: '1s' } } });
    const team = await createWorkspace(other, 'acme');
    const { alice: lazy, bob: writer } = team.people;
    const boot = await lazy.web.rtm.connect();
    const before = other.descriptors;
    const connection = await rawWebsocket(other, boot.url);
    await eventually('hello', () => received(connection).some((f) => f.type === 'hello'));
    connection.socket.pause();
    const posted = await postMuch(writer, team.general);
    await eventually('the client that never reads to be cut off', () => other.descriptors <= before);
    connection.socket.resume();
    await within('the connection to end', connection.ended);
    const seen = received(connection).filter((f) => posted.includes(f.ts)).map((f) => f.ts);
    assert.ok(seen.length < posted.length, 'it could not have been sent everything');

    const again = await Socket.connect(lazy, resumeWith(boot.session, received(connection)));
    const { ts: fence } = await writer.web.chat.postMessage({ channel: team.general, text: 'fence' });
    await again.expect({ ts: fence });
    const rest = again.frames.filter((f) => posted.includes(f.ts)).map((f) => f.ts);
    if (again.frames.some((f) => f.type === 'gap')) assert.ok(seen.length + rest.length <= posted.length);
    else assert.deepEqual([...seen, ...rest], posted);
    await again.close();
    await other.stop();
  });

  it('after all this the memory is where it was', () => server.memoryBelow(resident + 128 * MiB, `started with ${resident >> 20} MiB`));
});
