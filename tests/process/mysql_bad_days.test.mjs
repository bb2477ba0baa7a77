// SPDX-License-Identifier: Apache-2.0
// Bad days of one shard's server, seen by the clients of a node: no connection to spare, a password that was changed
// under the node, tables of a newer program. Writes wait or are refused, the other shard notices nothing, nothing
// acknowledged is lost, and it all goes on by itself.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, describe, it } from 'node:test';
import { eventually } from '../sdk/support/deadline.mjs';
import { MariaDb, mysqlSettings, password, user } from '../sdk/support/mariadb.mjs';
import { shell } from '../sdk/support/shell.mjs';
import { Throngd } from '../sdk/support/throngd.mjs';
import { call, createChannel, createWorkspace } from '../sdk/support/workspace.mjs';

const good = await MariaDb.start({ id: 1 });
const database = await MariaDb.start({ id: 2 });
const server = await Throngd.start(mysqlSettings(`-80=${good.address} 80-=${database.address}`, { supervise: false }));
const { people: { alice, bob } } = await createWorkspace(server, 'acme');
const bad = '80-';

const channels = {};
for (let i = 0; Object.keys(channels).length < 2; ++i) {
  const { id } = await createChannel(alice, `channel-${i}`, [bob]);
  const { slot } = (await shell(server, `info channel:${id}`)).value;
  channels[slot < 2048 ? '-80' : '80-'] ??= id;
}

const acknowledged = [];
async function post(shard, words) {
  const answer = await call(server, 'chat.postMessage', { channel: channels[shard], text: words }, { token: alice.token });
  if (answer.ok && shard === bad) acknowledged.push(words);
  return answer;
}
async function textsOf(shard) {
  const texts = [];
  for (let cursor; cursor !== '';) {
    const page = await call(server, 'conversations.history', { channel: channels[shard], limit: 999, ...(cursor && { cursor }) }, { token: bob.token });
    assert.ok(page.ok, JSON.stringify(page));
    texts.push(...page.messages.filter((message) => !message.subtype).map((message) => message.text));
    cursor = page.response_metadata?.next_cursor ?? '';
  }
  return texts;
}
async function otherShardIsFine() {
  for (let i = 0; i < 5; ++i) assert.ok((await post('-80', 'meanwhile')).ok);
}
async function goesOnByItself() {
  await eventually('posts to be taken again', async () => (await post(bad, 'again')).ok, 30_000);
  const stored = await textsOf(bad);
  assert.deepEqual(acknowledged.filter((words) => !stored.includes(words)), [], 'nothing acknowledged is lost');
}
const endConnections = async () => {
  for (const [id] of await database.sql(`SELECT ID FROM information_schema.PROCESSLIST WHERE USER='${user}'`)) {
    await database.sql(`KILL ${id}`).catch(() => {}); // it may have ended by itself
  }
};

describe('bad days of a MySQL server', () => {
  after(() => server.stop());

  it('no connection to spare: it is waited for', { timeout: 120_000 }, async () => {
    const [[most]] = await database.sql('SELECT @@max_connections');
    await database.sql('SET GLOBAL max_connections=10');
    await endConnections();
    const asUser = (sql) => new Promise((done) => {
      execFile('mariadb', ['--no-defaults', '--host=127.0.0.1', `--port=${database.port}`, `--user=${user}`, `--execute=${sql}`],
        { env: { ...process.env, MYSQL_PWD: password } }, (failed) => done(failed?.message ?? ''));
    });
    const hogs = Array.from({ length: 12 }, () => asUser('SELECT SLEEP(8)'));
    await eventually('every connection to be taken', async () => /Too many/.test(await asUser('SELECT 1')));
    await otherShardIsFine();
    const waiting = post(bad, 'waits for a connection');
    await Promise.all(hogs);
    await waiting;
    await goesOnByItself();
    await database.sql(`SET GLOBAL max_connections=${most}`);
  });

  it('another password: writes are refused until it is right again', { timeout: 120_000 }, async () => {
    const change = (to) => database.sql(`SET sql_log_bin=0; ALTER USER ${user}@'127.0.0.1' IDENTIFIED BY '${to}'`);
    await change('rotated');
    await endConnections();
    const refused = post(bad, 'with the old password');
    await otherShardIsFine();
    const answer = await refused;
    assert.equal(answer.ok, false);
    assert.ok(!JSON.stringify(answer).includes(password));
    assert.ok(!server.errors.includes(password), 'no password in the log');
    await change(password);
    await goesOnByItself();
  });

  it('tables of a newer program: the node does not start, and says which server', { timeout: 120_000 }, async () => {
    await server.stop();
    await database.sql("INSERT INTO schema_version VALUES(999, UTC_TIMESTAMP())", 'throng');
    await assert.rejects(server.launch(), (failed) => {
      assert.match(failed.message, new RegExp(`${database.address}[^\\n]*schema has version 999[^\\n]*start a newer one`));
      return true;
    });
    await database.sql('DELETE FROM schema_version WHERE version=999', 'throng');
    await server.launch();
    await goesOnByItself();
  });
});
