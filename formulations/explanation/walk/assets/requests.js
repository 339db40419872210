/* Requests to the library: one is in flight, and of those that wait the newest wins. */

export class Requests {
  /** `send(body)` promises a document; `shown(document, work)`, `failed(message)` and `busy(whether)` are told. */
  constructor(send, { shown, failed, busy }) {
    Object.assign(this, { send, shown, failed, busy, inFlight: false, waiting: null });
  }

  /** Ask for the answer to `work.body()`, which is written when it is sent and so follows from what is then shown. */
  ask(work) {
    this.waiting = work;
    if (!this.inFlight) this.next();
  }

  async next() {
    const work = this.waiting;
    this.waiting = null;
    this.inFlight = true;
    this.busy(true);
    try {
      const answer = await this.send(work.body());
      if (answer.error) this.failed(answer.error.message);
      else this.shown(answer, work);
    } catch (problem) {
      this.failed(`No answer from the library: ${problem.message}`);
    }
    this.inFlight = false;
    if (this.waiting) await this.next();
    else this.busy(false);
  }
}
