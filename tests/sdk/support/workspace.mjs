// SPDX-License-Identifier: Apache-2.0
// Workspaces, people and bots, made through the provisioning calls with the admin token, as an operator's script would.
import { sawOk } from './record.mjs';
import { webClient } from './slack.mjs';

export function admin(server) { return webClient(server.client, server.adminToken); }

/** A workspace with people by handle: `const { alice, bob } = acme.people`. All are members of #general. */
export async function createWorkspace(server, domain, names = ['alice', 'bob']) {
  const root = admin(server);
  const { team: id } = await root.admin.teams.create({ team_domain: domain, team_name: `The ${domain} company` });
  const workspace = { server, id, domain, name: `The ${domain} company`, people: {} };
  for (const name of names) workspace.people[name] = await addPerson(workspace, name);
  const { channels } = await workspace.people[names[0]].web.conversations.list();
  workspace.general = channels.find((channel) => channel.is_general).id;
  return workspace;
}

export async function addPerson(workspace, name, { channels } = {}) {
  const root = admin(workspace.server);
  const email = `${name}@${workspace.domain}.test`;
  const { user_id: id } = await root.admin.users.invite({
    team_id: workspace.id, email, real_name: `${name[0].toUpperCase()}${name.slice(1)} Example`,
    ...(channels ? { channel_ids: channels.join(',') } : {}),
  });
  return { id, name, email, ...(await signIn(workspace, id)) };
}

/** A new token of a person, with all scopes unless told, and the SDK client that uses it. */
export async function signIn(workspace, id, scopes) {
  const { token } = await admin(workspace.server).apiCall('throng.tokens.issue', {
    team_id: workspace.id, user_id: id, type: 'user', ...(scopes ? { scopes: scopes.join(',') } : {}),
  });
  return { token, web: webClient(workspace.server.client, token) };
}

export const botScopes = ['channels:read', 'channels:history', 'channels:manage', 'channels:join', 'groups:read',
  'groups:history', 'groups:write', 'im:read', 'im:history', 'im:write', 'mpim:read', 'mpim:history', 'mpim:write',
  'chat:write', 'chat:write.customize', 'chat:write.public', 'users:read', 'users:read.email', 'users:write', 'reactions:read',
  'reactions:write', 'pins:read', 'pins:write', 'team:read', 'emoji:read', 'dnd:read', 'rtm:stream',
  'users.profile:read'];

/** An app made from a manifest and installed; the bot's id, user, token and client. */
export async function installBot(workspace, name, scopes = botScopes) {
  const root = admin(workspace.server);
  const manifest = JSON.stringify({
    display_information: { name },
    features: { bot_user: { display_name: name, always_online: false } },
    oauth_config: { scopes: { bot: scopes } },
  });
  const { app_id: app, credentials } = await root.apps.manifest.create({ manifest });
  const installed = await root.apiCall('throng.apps.install', { app_id: app, team_id: workspace.id });
  const { bot_token: token, bot_id: bot, bot_user_id: id } = installed;
  return { name, app, bot, id, token, credentials, web: webClient(workspace.server.client, token) };
}

/** A new public (or private) channel of `creator` with these members. */
export async function createChannel(creator, name, members = [], { is_private = false } = {}) {
  const { channel } = await creator.web.conversations.create({ name, is_private });
  if (members.length > 0) {
    await creator.web.conversations.invite({ channel: channel.id, users: members.map((m) => m.id).join(',') });
  }
  return channel;
}

/** A call by plain HTTP, as a program without the SDK makes it. */
export async function call(server, method, args = {}, { token, headers = {} } = {}) {
  const response = await fetch(`${server.api}/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers },
    body: new URLSearchParams(args).toString(),
  });
  const answer = await response.json();
  if (answer.ok) sawOk(method);
  return { status: response.status, headers: response.headers, ...answer };
}
