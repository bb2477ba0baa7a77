// SPDX-License-Identifier: Apache-2.0
// install.mjs NPM RECORD: installs what package-lock.json names, unless that has been done, and empties the folder RECORD.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const [npm, record] = process.argv.slice(2);
const folder = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8');
const installed = join(folder, 'node_modules', '.installed-lock.json');

if (!existsSync(installed) || readFileSync(installed, 'utf8') !== lock) {
  const { status, error } = spawnSync(npm, ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: 'inherit' });
  if (status !== 0) {
    console.error(`npm ci failed: ${error ?? `status ${status}`}`);
    process.exit(1);
  }
  writeFileSync(installed, lock);
}
rmSync(record, { recursive: true, force: true });
mkdirSync(record, { recursive: true });
