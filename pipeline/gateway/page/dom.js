// Small helps for building the page's nodes. What people said only ever becomes text nodes, never markup.
import { words } from "./words.js";

export const $ = (id) => document.getElementById(id);

/** A node: `el("p", { class: "reply", onclick: f }, "text", otherNode)`. Attributes that are null or false are left out. */
export function el(tag, attributes = {}, ...children) {
  const svg = ["svg", "rect"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Puts the English words into the page: `data-text`, `data-label` (aria-label) and `data-hint` (placeholder). */
export function fillWords(root) {
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = words[node.dataset.text];
  for (const node of root.querySelectorAll("[data-label]")) node.setAttribute("aria-label", words[node.dataset.label]);
  for (const node of root.querySelectorAll("[data-hint]")) node.placeholder = words[node.dataset.hint];
}

/** Tells a screen reader, without showing anything. The same words twice are told twice. */
export function announce(text) {
  $("told").replaceChildren(el("p", {}, text));
}
