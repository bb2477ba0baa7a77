// SPDX-License-Identifier: Apache-2.0
// The official packages, unmodified, in the two generations that real bots use. The only additions: calls are remembered
// (record.mjs), and nothing is retried unless a test is about retries, so that a failure is seen at once.
import api7 from '@slack/web-api';
import rtm7 from '@slack/rtm-api';
import api6 from 'web-api-6';
import rtm6 from 'rtm-api-6';
import { sawOk } from './record.mjs';

const quiet = { debug() {}, info() {}, warn() {}, error() {}, setLevel() {}, getLevel: () => 'error', setName() {} };

function recording(WebClient) {
  return class extends WebClient {
    async apiCall(method, options) {
      const answer = await super.apiCall(method, options);
      sawOk(method);
      return answer;
    }
  };
}

export const generations = {
  6: { WebClient: recording(api6.WebClient), RTMClient: rtm6.RTMClient },
  7: { WebClient: recording(api7.WebClient), RTMClient: rtm7.RTMClient },
};

const agents = new Map();
/** From now on the clients of this server use the agent, which knows the server's certificate. */
export function useAgent(url, agent) { agents.set(url, agent); }

export function webClient(url, token, { generation = 7, ...options } = {}) {
  return new generations[generation].WebClient(token, {
    slackApiUrl: `${url}/api/`, retryConfig: { retries: 0 }, logger: quiet, agent: agents.get(url), ...options,
  });
}

export function rtmClient(url, token, { generation = 7, ...options } = {}) {
  const rtm = new generations[generation].RTMClient(token, {
    slackApiUrl: `${url}/api/`, autoReconnect: false, logger: quiet, retryConfig: { retries: 0 }, agent: agents.get(url), ...options,
  });
  // rtm-api 7.0.4 throws from its own close handler once it has sent anything: it walks a list by message id with `for of`
  // and meets the ids that wait for no reply. Those are filled here, so that the tests can see the close.
  rtm.on('outgoing_message', ({ id }) => {
    for (let i = 0; i <= id; ++i) rtm.awaitingReplyList[i] ??= { cancel() {} };
  });
  // It listens for a reply only when it is told that its message has left. Over TLS that may be later than the reply, and it
  // would wait for ever: so it is told at once. A message that is lost is one without a reply.
  const send = rtm.send.bind(rtm);
  rtm.send = (type, body) => {
    let id;
    const note = (message) => { id = message.id; };
    rtm.once('outgoing_message', note);
    const sent = send(type, body); // says so before it returns, unless it refuses
    rtm.off('outgoing_message', note);
    if (id === undefined) return sent;
    sent.catch(() => {});
    return Promise.resolve(id);
  };
  return rtm;
}
