// SPDX-License-Identifier: Apache-2.0
// The node's shell, as throngsh speaks to it.

/** What a command answers; an answer with ok:false is thrown unless `mayFail`. */
export async function shell(server, line, { mayFail = false } = {}) {
  const response = await fetch(`${server.admin}/shell`, {
    method: 'POST', headers: { authorization: `Bearer ${server.adminToken}` }, body: line,
  });
  const answer = await response.json();
  if (!answer.ok && !mayFail) throw new Error(`shell: ${line}: ${JSON.stringify(answer)}`);
  return answer;
}

/** A table's rows as objects by column: `{ SHARD: '-80', … }`. */
export async function table(server, line) {
  const { columns, rows } = await shell(server, line);
  return rows.map((row) => Object.fromEntries(row.map((cell, i) => [columns[i], cell])));
}

export async function metrics(server) {
  const text = await (await fetch(`${server.admin}/metrics`)).text();
  return Object.fromEntries(text.split('\n').filter((line) => line && !line.startsWith('#')).map((line) => {
    const at = line.lastIndexOf(' ');
    return [line.slice(0, at), Number(line.slice(at + 1))];
  }));
}
