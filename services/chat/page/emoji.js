// A choice of emoji.

import { el, iconButton } from "./dom.js";

export const QUICK = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

const MORE = ("😀 😁 😅 🤣 😊 😍 😘 😎 🤔 🙄 😴 😷 🥳 😭 😡 🤯 😱 🤗 😉 😇 🙃 🫡 🤝 👏 🙌 💪 👌 ✌️ 🤞 👋 👀 🧠 🔥 ✨ 🎉 🎂 🎁 ☕ 🍺 🍕 🍎 🌹 🌞 🌧️ 🌈 ⭐ ⚡ "
  + "💔 💯 ✅ ❌ ❓ ❗ 💤 🎵 📷 📌 📎 💡 🚀 🚗 🏠 ⚽ 🐶 🐱 👎 🤷 🤦").split(" ");

/** A row of the most used ones; chosen is shown as pressed, more opens all. */
export const quickRow = (pick, more, chosen) => el("div", { className: "emoji-row", role: "group", aria: { label: "React" } },
  ...QUICK.map((e) => el("button", { type: "button", textContent: e, role: "menuitemradio", aria: { label: "React with " + e, checked: String(e === chosen) }, on: { click: () => pick(e) } })),
  iconButton("plus", "More emoji", more, { role: "menuitem" }));

export const emojiGrid = (pick) => el("div", { className: "emoji-grid", role: "group", aria: { label: "Emoji" } },
  ...[...QUICK, ...MORE].map((e) => el("button", { type: "button", textContent: e, aria: { label: e }, on: { click: () => pick(e) } })));
