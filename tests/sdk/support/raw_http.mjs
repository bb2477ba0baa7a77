// SPDX-License-Identifier: Apache-2.0
// HTTP by hand, byte for byte: for requests that no HTTP library would send.
import { connect } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { within } from './deadline.mjs';

/** An open TCP connection to the client port that keeps everything it receives. */
export class RawConnection {
  bytes = Buffer.alloc(0);
  ended; // resolves when the other side has closed or reset
  #waiting = new Set();

  static async open(server, url = server.client) {
    const { hostname, port } = new URL(url);
    const connection = new RawConnection();
    connection.socket = connect({ host: hostname, port: Number(port) });
    connection.socket.on('data', (data) => {
      connection.bytes = Buffer.concat([connection.bytes, data]);
      for (const wake of connection.#waiting) wake();
    });
    connection.ended = new Promise((done) => { connection.socket.on('close', done); });
    await within('TCP connection', new Promise((done, failed) => {
      connection.socket.once('connect', done);
      connection.socket.once('error', failed);
    }));
    connection.socket.on('error', () => {}); // seen through `ended`
    return connection;
  }

  send(data) { this.socket.write(data); }

  /** One whole response, removed from what was received. */
  async response() {
    let wake;
    const gone = this.ended.then(() => parse(this.bytes, true));
    const parsed = await within(() => `HTTP response; received ${JSON.stringify(String(this.bytes.subarray(0, 500)))}`,
      Promise.race([gone, new Promise((done) => {
        wake = () => { const response = parse(this.bytes, false); if (response) done(response); };
        this.#waiting.add(wake);
        wake();
      })])).finally(() => this.#waiting.delete(wake));
    if (!parsed) throw new Error(`closed without a whole response: ${JSON.stringify(String(this.bytes.subarray(0, 500)))}`);
    this.bytes = this.bytes.subarray(parsed.size);
    return parsed;
  }

  close() { this.socket.destroy(); }
}

/** Sends one request and answers the response; the connection is closed. */
export async function exchange(server, request) {
  const connection = await RawConnection.open(server);
  try {
    connection.send(request);
    return await connection.response();
  } finally {
    connection.close();
  }
}

function parse(bytes, isClosed) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first, ...lines] = String(bytes.subarray(0, end)).split('\r\n');
  const [version, status] = first.split(' ');
  const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]));
  const isInterim = /^1\d\d$/.test(status);
  const framed = isInterim ? { body: Buffer.alloc(0), size: 0 } : body(bytes.subarray(end + 4), headers, isClosed);
  if (!framed) return undefined;
  const plain = headers['content-encoding'] === 'gzip' ? gunzipSync(framed.body) : framed.body;
  return {
    version, status: Number(status), headers, text: String(plain), size: end + 4 + framed.size,
    get json() { return JSON.parse(this.text); },
  };
}

function body(bytes, headers, isClosed) {
  if (headers['content-length'] !== undefined) {
    const size = Number(headers['content-length']);
    return bytes.length >= size ? { body: bytes.subarray(0, size), size } : undefined;
  }
  if (headers['transfer-encoding'] !== 'chunked') return isClosed ? { body: bytes, size: bytes.length } : undefined;
  const parts = [];
  for (let at = 0; ;) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = parseInt(String(bytes.subarray(at, line)), 16);
    if (bytes.length < line + 2 + size + 2) return undefined;
    if (size === 0) return { body: Buffer.concat(parts), size: line + 4 };
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}
