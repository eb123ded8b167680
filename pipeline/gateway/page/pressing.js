// How somebody makes the microphone listen, by hand and by keys: pressed, it listens until a pause; held, until it is
// let go. F2 is the button, Escape stops the answer.
import { $ } from "./dom.js";

/** `act`: listen(endsTurn), stopListening(), isListening() and interrupt(). */
export function wirePressing(act) {
  const button = $("speak");
  let held = false;

  function press() {
    if (act.isListening()) act.stopListening();
    else act.listen($("hold").checked ? "close" : "silence");
  }

  function hold() {
    held = true;
    act.listen("close");
  }

  function release() {
    if (!held) return;
    held = false;
    act.stopListening();
  }

  function keyDown(event) {
    const onButton = event.target === button && [" ", "Enter"].includes(event.key);
    if (event.key === "Escape" && !$("deleting").open) act.interrupt();
    if (event.key !== "F2" && !(onButton && $("hold").checked)) return;
    event.preventDefault();
    if (event.repeat) return;
    if ($("hold").checked) hold();
    else press();
  }

  function keyUp(event) {
    if (!held || !["F2", " ", "Enter"].includes(event.key)) return;
    event.preventDefault();
    release();
  }

  addEventListener("keydown", keyDown);
  addEventListener("keyup", keyUp);
  addEventListener("blur", release);
  button.onpointerdown = ({ pointerId }) => {
    if (!$("hold").checked) return;
    button.setPointerCapture(pointerId);
    hold();
  };
  button.onpointerup = button.onpointercancel = release;
  button.onclick = ({ detail }) => ($("hold").checked && detail > 0) || press(); // detail 0: a screen reader's click
}
