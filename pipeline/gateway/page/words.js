// All English of the page. Names of intents and stages are those of schemas/ and pipeline/topology.py.

const clock = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const percent = new Intl.NumberFormat("en-GB", { style: "percent" });

export const words = {
  // The page's parts
  skip: "Skip to the conversation",
  conversation: "Conversation",
  yours: "Your things",
  talk: "Talk",
  newConversation: "New conversation",
  report: "Report",
  signOut: "Sign out",
  signedInAs: (user) => `Signed in as ${user}`,
  empty: "Say or type something: “Remind me tomorrow at three to call the dentist.”",
  speak: "Speak",
  speakHint: "Press Speak, or F2, and talk; a pause ends your turn. Escape stops the answer.",
  holdHint: "Hold Speak, or F2, while you talk. Escape stops the answer.",
  hold: "Hold to talk",
  aloud: "Replies aloud",
  message: "Type a message",
  send: "Send",
  stop: "Stop",
  microphoneLevel: "Microphone level",
  voiceLevel: "Voice level",
  notices: "Notices",
  dismiss: "Dismiss",
  clickForSound: "Your browser holds the sound back: press any key or click to hear the answer.",

  // States
  states: {
    connecting: "Connecting …",
    lost: "Disconnected. Connecting again; nothing you say is lost.",
    refused: "Not connected",
    busy: "Busy. Try again in a moment.",
    opening: "Opening the microphone …",
    hearing: "Hearing you",
    speaking: "Speaking",
    thinking: "Thinking",
    interrupted: "Interrupted",
    listening: "Listening",
    idle: "Ready",
  },

  // Turns
  you: "You",
  parley: "Parley",
  asksBack: "Parley asks",
  hearing: "Hearing …",
  nothingHeard: { silence: "Nothing was heard.", noise: "Only noise was heard." },
  understood: "Understood",
  done: "Done",
  succeeded: "Done:",
  notDone: "Not done:",
  unheard: "(not heard)",
  interrupted: "Stopped. Only what was heard counts as said.",
  waiting: "Not sent yet",
  notTaken: "This was not taken.",
  again: "Send again",
  byRules: "Answered by rules: the language model was not available.",
  sure: (confidence) => percent.format(confidence),
  heardSurely: (confidence) => `${percent.format(confidence)} sure of the words`,
  when: ({ text, at, all_day: wholeDay }) =>
    at ? `${text} (${(wholeDay ? day : clock).format(new Date(at))})` : text,
  money: ({ value, currency }) => (currency ? `${value} ${currency}` : value),
  all: "all",
  slots: {
    title: "what", new_title: "new name", when: "when", until: "until", person: "who", amount: "amount",
    direction: "who owes", purpose: "for", query: "about", all: "which",
  },
  directions: { owes_me: "they owe you", i_owe: "you owe" },
  intents: {
    create_reminder: "Set a reminder", list_reminders: "List reminders", update_reminder: "Change a reminder",
    cancel_reminder: "Cancel a reminder", create_note: "Write a note", list_notes: "Find notes",
    create_ledger: "Record a debt", add_expense: "Record an expense", schedule_event: "Schedule an event",
    add_friend: "Add a friend", chit_chat: "Small talk", general_query: "A question", unknown: "Something else",
  },

  // Feedback
  feedback: "What do you think of this answer?",
  up: "Good answer",
  down: "Bad answer",
  correct: "Correct it",
  meant: "I meant …",
  choose: "(as understood)",
  better: "It should have said",
  sendCorrection: "Send the correction",
  recorded: "Noted, thank you.",

  // The waterfall
  steps: "Steps of this turn",
  took: (total, first) => `Steps: ${words.ms(total)}${first === null ? "" : `, first sound after ${words.ms(first)}`}`,
  stage: "Stage",
  course: "Course",
  waited: "Waited",
  worked: "Worked",
  ms: (ms) => (ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 9_950 ? 2 : 1)} s`),
  stages: {
    keeper: "Turn keeper", stt: "Recogniser", intent: "Understanding", router: "Skills", chat: "Reply",
    reranker: "Choice", tts: "Voice", "front-end": "Gateway",
  },

  // Reminders, notes, ledger, history
  reminders: "Reminders",
  notes: "Notes",
  ledger: "Ledger",
  refresh: "Refresh",
  nothing: { reminders: "No reminders.", notes: "No notes.", ledger: "Nobody owes anything." },
  due: (message) => `Reminder: ${message}`,
  at: (time) => clock.format(new Date(time)),
  owes: ({ amount_minor: minor, currency }) => {
    const money = new Intl.NumberFormat("en-GB", { style: "currency", currency });
    const amount = money.format(Math.abs(minor) / 10 ** money.resolvedOptions().maximumFractionDigits);
    return minor > 0 ? `owes you ${amount}` : `you owe ${amount}`;
  },
  goOn: "Go on",
  goOnWith: (time) => `Go on with the conversation of ${words.at(time)}`,
  earlier: "Earlier conversations",
  noneEarlier: "No earlier conversations.",
  older: "Show older ones",
  deleteHistory: "Delete history …",
  deleteTitle: "Delete all of your history?",
  deleteBody:
    "What you said and were answered is forgotten: no later answer knows of it. Reminders, notes and the ledger stay. The log keeps its record for as long as this Parley is set to.",
  deleteYes: "Delete it",
  deleteNo: "Keep it",
  deleted: "Your history is deleted.",

  // Signing in
  signIn: "Sign in",
  token: "Token",
  tokenHint: "This gateway wants to know who you are. “parley token --user NAME” makes a token; it is kept in this tab only.",

  // Problems: what happened and what to do. By the last part of the problem's name; else what the gateway says.
  problems: {
    busy: (p) => `Parley is busy and did not take it. Try again${p.retry_after_s ? ` in ${Math.ceil(p.retry_after_s)} s` : " soon"}.`,
    "too-many": (p) => `That was too much at once. Wait${p.retry_after_s ? ` ${Math.ceil(p.retry_after_s)} s` : " a little"}, then go on.`,
    "not-found": () => "That is not yours, or is no longer there.",
    unavailable: () => "A part of Parley cannot be reached at the moment. It is tried again.",
    internal: () => "Something went wrong inside of Parley. “parley doctor” and its logs tell more.",
  },
  tokenRefused: "This token is wrong or has expired. Sign in with a new one.",
  problem: (p) => [p.detail || p.title, p.expected ? `Wanted: ${p.expected}.` : ""].filter(Boolean).join(" "),
  refusedHere: "The gateway closed the connection. Reload the page to try again.",
  unreachable: "Parley cannot be reached. Is it running?",
  microphone: {
    NotAllowedError: "The microphone is not allowed. Allow it for this page in the browser's settings, or type.",
    NotFoundError: "No microphone was found. Plug one in, or type.",
    NotReadableError: "The microphone is used by another program. Close that, or type.",
  },
  noMicrophone: "The microphone cannot be used here. Type instead; a page needs https or localhost for a microphone.",
};

/** A problem of the gateway (RFC 9457) in plain words. */
export function problemWords(problem) {
  if (problem.status === 401) return words.tokenRefused;
  const name = String(problem.problem ?? problem.type ?? "").split("/").at(-1);
  return (words.problems[name] ?? words.problem)(problem);
}

/** What the microphone's refusal means. */
export function microphoneWords(error) {
  return words.microphone[error?.name] ?? words.noMicrophone;
}
