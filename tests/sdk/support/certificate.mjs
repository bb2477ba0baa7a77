// SPDX-License-Identifier: Apache-2.0
// A new self-signed ECDSA certificate for 127.0.0.1 and its key, as PEM, made when a test needs one: nothing secret lies in
// the repository. Node makes keys and signatures, but no certificates; a certificate is this little DER around them (RFC 5280).
import { createSign, generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

function der(tag, ...parts) {
  const body = Buffer.concat(parts);
  const length = body.length < 128 ? [body.length] : body.length < 256 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}
const sequence = (...parts) => der(0x30, ...parts);
const oid = (hex) => der(0x06, Buffer.from(hex, 'hex'));
const time = (date) => der(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));

const ecdsa_with_sha256 = sequence(oid('2a8648ce3d040302'));
const name = sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from('throng test')))));
const may_sign = sequence(oid('551d13'), der(0x01, Buffer.from([0xff])), der(0x04, sequence(der(0x01, Buffer.from([0xff])))));
const for_loopback = sequence(oid('551d11'), der(0x04, sequence(der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])))));

/** `{certificate, key}` in PEM. Valid from an hour ago for a day, or as told. */
export function selfSigned({ from = new Date(Date.now() - 3_600_000), to = new Date(Date.now() + 86_400_000) } = {}) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, Buffer.from([1]), randomBytes(8)), ecdsa_with_sha256, name, sequence(time(from), time(to)), name,
    publicKey.export({ type: 'spki', format: 'der' }), der(0xa3, sequence(may_sign, for_loopback)));
  const signature = createSign('sha256').update(content).sign(privateKey);
  const whole = sequence(content, ecdsa_with_sha256, der(0x03, Buffer.from([0]), signature));
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${whole.toString('base64').match(/.{1,64}/g).join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
}

/** The same in two files of a folder; `settings` is the section for throngd. */
export function certificateFiles(folder, pair = selfSigned(), prefix = 'tls') {
  const settings = { certificate: join(folder, `${prefix}.pem`), key: join(folder, `${prefix}.key`) };
  writeFileSync(settings.certificate, pair.certificate);
  writeFileSync(settings.key, pair.key, { mode: 0o600 });
  return { ...pair, settings };
}
