// SPDX-License-Identifier: Apache-2.0
// How many statements the most used API calls ask of the database: docs/statements.md, which this test writes and checks.
// THRONG_UPDATE_STATEMENTS=1 node tests/process/statements.test.mjs writes it anew.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../sdk/support/deadline.mjs';
import { MariaDb, mysqlSettings } from '../sdk/support/mariadb.mjs';
import { metrics, shell } from '../sdk/support/shell.mjs';
import { Throngd } from '../sdk/support/throngd.mjs';
import { createChannel, createWorkspace } from '../sdk/support/workspace.mjs';

const file = resolve(dirname(fileURLToPath(import.meta.url)), '../../docs/statements.md');

const database = await MariaDb.start();
const servers = {
  SQLite: await Throngd.start(),
  MySQL: await Throngd.start(mysqlSettings(`-=${database.address}`, { supervise: false, lanes: 1 })),
};

/** Until nothing is asked any more: what a call leaves to be done afterwards isn't the next one's. */
async function quiet(server) {
  let last = -1, same = 0;
  await eventually('the store to be left alone', async () => {
    const now = (await metrics(server)).throng_store_statements_total;
    same = now === last ? same + 1 : 0;
    last = now;
    return same >= 2;
  });
}

/** What `explain` counted: reads and writes. How many transactions the writes share is a matter of moments. */
async function once(server, line) {
  await quiet(server);
  const { rows, note } = await shell(server, `explain ${line}`);
  assert.match(note, /: ok in .*no other API call ran meanwhile$/, `${line}: ${note}`);
  const counts = { reads: 0, writes: 0 };
  for (const [, statement, times] of rows) {
    if (/^(PREPARE|CONNECT|SET|SELECT @@)/.test(statement)) continue; // once a connection
    if (/^(BEGIN|START TRANSACTION|COMMIT|ROLLBACK)| FROM fences |INTO writers/.test(statement)) continue; // a transaction's own
    if (/^SELECT/.test(statement)) counts.reads += times;
    else counts.writes += times;
  }
  return counts;
}

/** The least of several tries: what else a node does now and then only adds. */
async function least(server, lines, before = async () => {}) {
  let best;
  for (const line of lines) {
    await before();
    const counts = await once(server, line);
    if (!best || counts.reads + counts.writes < best.reads + best.writes) best = counts;
  }
  return best;
}

const tries = 5;
const text = ({ reads, writes }) => (reads + writes === 0 ? '0' : [reads && `${reads} read`, writes && `${writes} write`].filter(Boolean).join(' + '));

async function measure(server) {
  const acme = await createWorkspace(server, 'acme', ['alice', 'bob']);
  const { alice, bob } = acme.people;
  const { id: channel } = await createChannel(alice, 'measured', [bob]);
  const posts = [];
  for (let i = 0; i <= tries; ++i) posts.push((await alice.web.chat.postMessage({ channel, text: `post ${i}` })).ts);
  await alice.web.chat.postMessage({ channel, text: 'a reply', thread_ts: posts[0] });
  // A CHANNEL that starts tells the people's lists again of those who joined lately, as far as its newest 256 posts show.
  for (let i = 0; i < 260; i += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, j) => alice.web.chat.postMessage({ channel, text: `much later ${i + j}` })));
  }
  const token = `token=${alice.token}`;
  const here = `channel=${channel}`;
  // Reads first, so that they find the same rows in each run.
  const reads = {
    'conversations.history': here,
    'conversations.replies': `${here} ts=${posts[0]}`,
    'conversations.list': '',
    'conversations.info': here,
    'conversations.members': here,
    'users.info': `user=${bob.id}`,
  };
  const writes = {
    'chat.postMessage': (i) => `${here} text=again-${i}`,
    'chat.update': (i) => `${here} ts=${posts[1]} text=better-${i}`,
    'reactions.add': (i) => `${here} timestamp=${posts[i]} name=eyes`,
    'conversations.mark': (i) => `${here} ts=${posts[i]}`,
  };
  const counted = {};
  const some = (line) => Array(tries).fill(line);
  for (const [method, line] of Object.entries(reads)) {
    await once(server, `${method} ${line} ${token}`); // wakes whom it concerns
    counted[method] = { warm: await least(server, some(`${method} ${line} ${token}`)) };
  }
  for (const [method, line] of Object.entries(writes)) {
    counted[method] = { warm: await least(server, Array.from({ length: tries }, (_, i) => `${method} ${line(i + 1)} ${token}`)) };
  }
  // Not the WORKSPACE: a USER that starts reminds it of her, and whether the call ends before that is read is a matter of moments.
  const put_to_sleep = async () => {
    for (const kind of ['channel', 'user']) {
      for (const [entity] of (await shell(server, `ps ${kind}`)).rows) await shell(server, `stop ${entity}`, { mayFail: true });
    }
  };
  for (const [method, line] of Object.entries(reads)) {
    counted[method].cold = await least(server, some(`${method} ${line} ${token}`), put_to_sleep);
  }
  return counted;
}

function page(measured) {
  const methods = Object.keys(measured.SQLite);
  const row = (cells) => `| ${cells.join(' | ')} |`;
  return [
    '# Statements per API call',
    '',
    'What the ten most used methods ask of the database, one call at a time, as the shell\'s `explain` counts it. Warm: the',
    'actors that the call concerns are in memory. Cold: channels and people were just ended, and read their state again for',
    'this call.',
    '',
    'Not counted, because it is shared: a transaction\'s own statements (begin, fence and commit with SQLite; mark and commit',
    'with MySQL), which under load hundreds of writes pay together, and what a connection asks once in its life, such as',
    'preparing a statement. With MySQL each read is a round trip, and the writes of a transaction are one with its mark and',
    'commit, but for large rows, workspaces and tokens.',
    '',
    'Written and checked by tests/process/statements.test.mjs; THRONG_UPDATE_STATEMENTS=1 writes it anew.',
    '',
    row(['Method', 'SQLite, warm', 'SQLite, cold', 'MySQL, warm', 'MySQL, cold']),
    row(['---', '---', '---', '---', '---']),
    ...methods.map((method) => row([`\`${method}\``, ...['SQLite', 'MySQL'].flatMap((store) => [
      text(measured[store][method].warm), measured[store][method].cold ? text(measured[store][method].cold) : ''])])),
    '',
  ].join('\n');
}

describe('statements', () => {
  after(() => Promise.all(Object.values(servers).map((server) => server.stop())));

  it('docs/statements.md says what the calls ask of the database', async () => {
    const measured = {};
    for (const [store, server] of Object.entries(servers)) measured[store] = await measure(server);
    const written = page(measured);
    if (process.env.THRONG_UPDATE_STATEMENTS) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, written);
    }
    assert.equal(existsSync(file) ? readFileSync(file, 'utf8') : '', written);
  });
});
