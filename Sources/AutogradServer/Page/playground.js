"use strict";

// The page of `autograd serve`. It asks the server that it came from, and nobody else.

const element = (id) => document.getElementById(id);
const settings = ["temperature", "top_p", "min_p", "top_k", "max_tokens", "seed"];
let running = null;

// MARK: Asking

function headers() {
  const key = element("key").value;
  return { "Content-Type": "application/json", ...(key ? { Authorization: "Bearer " + key } : {}) };
}

async function showModel() {
  const answer = await fetch("/v1/models", { headers: headers() });
  if (answer.status === 401) {
    element("key-field").hidden = false;
    element("model").textContent = "asks for its key";
    return;
  }
  const model = (await answer.json()).data[0];
  element("model").textContent = `${model.id}, context of ${model.context_length} tokens`;
  const chat = document.querySelector("input[value=chat]");
  chat.disabled = !model.chat;
  chat.checked = model.chat;
}

function request() {
  const chat = document.querySelector("input[name=mode]:checked").value === "chat";
  const body = { stream: true, stream_options: { include_usage: true } };
  for (const name of settings) {
    const text = element(name).value;
    if (text !== "") body[name] = Number(text);
  }
  const prompt = element("prompt").value;
  if (chat) {
    Object.assign(body, { messages: [{ role: "user", content: prompt }], logprobs: true, top_logprobs: 5 });
  } else {
    Object.assign(body, { prompt, logprobs: 5 });
  }
  return { path: chat ? "/v1/chat/completions" : "/v1/completions", body, chat, prompt };
}

async function generate() {
  const { path, body, chat, prompt } = request();
  const answer = element("answer"), start = performance.now();
  answer.replaceChildren();
  hideTip();
  if (!chat) answer.append(given(prompt));
  running = new AbortController();
  setRunning(true);
  say("…");
  try {
    const response = await fetch(path, {
      method: "POST", headers: headers(), body: JSON.stringify(body), signal: running.signal,
    });
    if (!response.ok) throw new Error((await response.json()).error.message);
    await read(response.body, start);
  } catch (error) {
    if (error.name === "AbortError") say("Stopped.");
    else say(error.message, true);
  } finally {
    running = null;
    setRunning(false);
  }
}

async function read(stream, start) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let text = "", first = null, reason = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const data = event.slice("data: ".length);
      if (data === "[DONE]") continue;
      const piece = JSON.parse(data);
      if (piece.error) throw new Error(piece.error.message);
      for (const choice of piece.choices) {
        reason = choice.finish_reason || reason;
        const tokens = tokensOf(choice);
        if (tokens.length && first === null) first = performance.now();
        show(choice.text ?? choice.delta.content ?? "", tokens);
      }
      if (piece.usage) sayUsage(piece, reason, first, start);
    }
  }
}

// MARK: Tokens

function tokensOf(choice) {
  const told = choice.logprobs;
  if (!told) return [];
  if (told.content) {
    return told.content.map((one) => ({
      text: one.token, bytes: one.bytes, logprob: one.logprob,
      top: one.top_logprobs.map((other) => [other.token, other.logprob]),
    }));
  }
  return told.tokens.map((text, index) => ({
    text, logprob: told.token_logprobs[index], top: Object.entries(told.top_logprobs[index] || {}),
  }));
}

// A token may be a piece of a character, which comes with the last of its tokens; text may also come behind its tokens.
function show(text, tokens) {
  const answer = element("answer");
  tokens.forEach((token, index) => answer.append(span(token, index === tokens.length - 1 ? text : "")));
  if (!tokens.length && text) answer.append(text);
}

function given(text) {
  const node = document.createElement("span");
  node.className = "given";
  node.textContent = text;
  return node;
}

function span(token, shown) {
  const node = document.createElement("span"), probability = Math.exp(token.logprob);
  const step = probability >= 0.5 ? 4 : probability >= 0.2 ? 3 : probability >= 0.05 ? 2 : probability >= 0.01 ? 1 : 0;
  node.className = `token p${step}`;
  node.textContent = shown;
  node.tabIndex = 0;
  node.setAttribute("aria-label", `${visible(token.text)}, ${percent(token.logprob)}`);
  node.addEventListener("mouseenter", () => showTip(node, token));
  node.addEventListener("focus", () => showTip(node, token));
  node.addEventListener("mouseleave", hideTip);
  node.addEventListener("blur", hideTip);
  return node;
}

const visible = (text) => text.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replaceAll(" ", "␣");
const percent = (logprob) => (100 * Math.exp(logprob)).toFixed(logprob > -4.6 ? 1 : 3) + " %";

function showTip(node, token) {
  const table = document.createElement("table"), rows = [...token.top];
  if (!rows.some(([text]) => text === token.text)) rows.push([token.text, token.logprob]);
  rows.sort((a, b) => b[1] - a[1]);
  for (const [text, logprob] of rows) {
    const row = table.insertRow();
    row.className = text === token.text ? "chosen" : "";
    row.insertCell().textContent = visible(text);
    row.insertCell().textContent = percent(logprob);
  }
  const tip = element("tip"), place = node.getBoundingClientRect();
  tip.replaceChildren(table);
  tip.hidden = false;
  const left = Math.min(place.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left) + window.scrollX}px`;
  tip.style.top = `${place.bottom + window.scrollY + 6}px`;
}

function hideTip() { element("tip").hidden = true; }

// MARK: What is shown

function say(text, isWrong = false) {
  element("status").textContent = text;
  element("status").className = isWrong ? "wrong" : "";
}

function sayUsage(piece, reason, first, start) {
  const usage = piece.usage, tokens = usage.completion_tokens;
  const pace = first && tokens > 1 ? `, ${((tokens - 1) * 1000 / (performance.now() - first)).toFixed(1)} a second` : "";
  const wait = first ? `, first after ${Math.round(first - start)} ms` : "";
  const end = reason === "length" ? " It has all the tokens that it may have." : "";
  say(`${tokens} tokens${wait}${pace}; seed ${piece.seed}.${end}`);
}

function setRunning(flag) {
  element("run").disabled = flag;
  element("stop").disabled = !flag;
}

for (const slider of document.querySelectorAll("input[type=range]")) {
  const output = document.querySelector(`output[for=${slider.id}]`);
  const show = () => { output.textContent = slider.value; };
  slider.addEventListener("input", show);
  show();
}
element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running) generate();
});
element("prompt").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element("form").requestSubmit();
});
element("stop").addEventListener("click", () => running && running.abort());
element("key").addEventListener("change", () => showModel());
showModel().catch((error) => say(error.message, true));
