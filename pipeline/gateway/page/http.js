// What the page asks the gateway over HTTP.
import { memory } from "./socket.js";
import { words } from "./words.js";

/** What a request did not get, in the gateway's words (RFC 9457) or ours. */
export class Problem extends Error {
  constructor(told) {
    super(told.title);
    this.told = told;
  }
}

/** The JSON that `path` answers with, null for none. Raises Problem. */
export async function ask(path, { method = "GET", body = null } = {}) {
  const answer = await request(path, method, body);
  return answer.status === 204 ? null : answer.json();
}

/** A page of the gateway for the browser to save: a link could not bear the token. Raises Problem. */
export async function file(path) {
  return (await request(path, "GET", null)).blob();
}

async function request(path, method, body) {
  const headers = { Accept: "application/json" };
  const token = memory.get("token");
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) }).catch(() => null);
  if (!answer) throw new Problem({ title: words.unreachable });
  if (!answer.ok) throw new Problem(await answer.json().catch(() => ({ title: `${answer.status} ${answer.statusText}` })));
  return answer;
}
