// SPDX-License-Identifier: Apache-2.0
// A websocket by hand: frames that no library would send, and a client that doesn't read.
import { randomBytes } from 'node:crypto';
import { RawConnection } from './raw_http.mjs';
import { within } from './deadline.mjs';

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 };

/** One frame. `length` may lie; `mask: false` leaves it unmasked, which clients must not do. */
export function frame(code, payload, { fin = true, mask = true, reserved = 0, length } = {}) {
  const body = Buffer.from(payload);
  const claimed = BigInt(length ?? body.length);
  const head = [(fin ? 0x80 : 0) | (reserved << 4) | code];
  const masked = mask ? 0x80 : 0;
  if (claimed < 126n) head.push(masked | Number(claimed));
  else if (claimed < 65536n) head.push(masked | 126, Number(claimed >> 8n), Number(claimed & 255n));
  else {
    head.push(masked | 127);
    for (let shift = 56n; shift >= 0n; shift -= 8n) head.push(Number((claimed >> shift) & 255n));
  }
  if (!mask) return Buffer.concat([Buffer.from(head), body]);
  const key = randomBytes(4);
  return Buffer.concat([Buffer.from(head), key, body.map((byte, i) => byte ^ key[i % 4])]);
}

/** Upgrades a connection of its own for this ticket; returns the connection, from which frames() can be taken. */
export async function rawWebsocket(server, url) {
  const connection = await RawConnection.open(server);
  const { pathname, search, host } = new URL(url);
  connection.send(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n`
    + `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`);
  const head = await within('websocket upgrade', new Promise((done) => {
    const look = () => {
      const end = connection.bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      connection.socket.off('data', look);
      const text = String(connection.bytes.subarray(0, end));
      connection.bytes = connection.bytes.subarray(end + 4);
      done(text);
    };
    connection.socket.on('data', look);
  }));
  if (!head.startsWith('HTTP/1.1 101')) throw new Error(`no upgrade: ${head}`);
  return connection;
}

/** The whole frames that have come so far, as {code, payload}. */
export function frames(connection) {
  const all = [];
  const bytes = connection.bytes;
  for (let at = 0; at + 2 <= bytes.length;) {
    let size = bytes[at + 1] & 127;
    let start = at + 2;
    if (size === 126) { size = bytes.length >= at + 4 ? bytes.readUInt16BE(at + 2) : Infinity; start = at + 4; }
    else if (size === 127) { size = bytes.length >= at + 10 ? Number(bytes.readBigUInt64BE(at + 2)) : Infinity; start = at + 10; }
    if (start + size > bytes.length) break;
    all.push({ code: bytes[at] & 15, payload: bytes.subarray(start, start + size) });
    at = start + size;
  }
  return all;
}

/** The code of the close frame with which the server ended this connection; undefined if it just cut it. */
export async function closeCode(connection) {
  await within('the server to close the websocket', connection.ended);
  const close = frames(connection).find((f) => f.code === opcode.close);
  return close && close.payload.length >= 2 ? close.payload.readUInt16BE(0) : undefined;
}
