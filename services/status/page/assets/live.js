// Follows the feed and shows the page anew after each change. Everything on the
// page is rendered and escaped by the server; nothing of the feed is inserted as
// markup.
"use strict";
(() => {
  const live = document.getElementById("live");
  const lost = document.getElementById("lost");
  const news = document.getElementById("news");
  const least = 150; // ms between two readings, and three times what one takes
  let latest = new Date();
  let reading = false;
  let again = false;

  const span = (date) => {
    const n = Math.abs(Math.trunc((Date.now() - date) / 1000));
    return n < 60 ? `${n} s` : n < 3600 ? `${Math.floor(n / 60)} min`
      : n < 172800 ? `${Math.floor(n / 3600)} h` : `${Math.floor(n / 86400)} days`;
  };

  const ago = (date) => {
    const gone = Date.now() - date;
    if (Math.abs(gone) < 5000) return "just now";
    return gone < 0 ? `in ${span(date)}` : `${span(date)} ago`;
  };

  const times = () => {
    for (const t of document.querySelectorAll("time")) {
      const date = new Date(t.dateTime);
      t.textContent = "span" in t.dataset ? span(date) : ago(date);
      t.title = date.toLocaleString();
    }
  };

  const busy = () => {
    const e = document.activeElement;
    return e && e.closest(".filter") && e.matches("input, select");
  };

  const show = (html) => {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    const next = fresh.getElementById("content");
    const content = document.getElementById("content");
    if (!next) return;
    const focused = content.contains(document.activeElement) ? document.activeElement.id : "";
    const y = scrollY;
    const typed = content.querySelector(".filter");
    const there = next.querySelector(".filter");
    if (typed && there && busy()) there.replaceWith(typed);
    content.replaceChildren(...next.childNodes);
    document.title = fresh.title;
    times();
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    scrollTo(scrollX, y);
  };

  const read = async () => {
    if (reading) { again = true; return; }
    reading = true;
    const began = performance.now();
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.ok || answer.status === 404 || answer.status === 503) show(await answer.text());
      latest = new Date();
    } catch {
      // the feed says that the connection is lost, and reads again when it is back
    } finally {
      setTimeout(() => {
        reading = false;
        if (again) { again = false; read(); }
      }, Math.max(least, 3 * (performance.now() - began)));
    }
  };

  const connected = () => {
    lost.hidden = true;
    document.body.classList.remove("stale");
    live.textContent = "live";
    live.className = "live on";
  };

  const disconnected = () => {
    live.textContent = "not connected";
    live.className = "live off";
    document.body.classList.add("stale");
    lost.textContent = `Not connected. This is how it was at ${latest.toLocaleTimeString()}.`;
    lost.hidden = false;
  };

  let feed;
  const listen = () => {
    feed = new EventSource("/api/v1/events");
    feed.onopen = () => { connected(); read(); };
    feed.onerror = () => {
      disconnected();
      // An answer that is no event stream ends an EventSource for good.
      if (feed.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
    };
    feed.addEventListener("status.changed", (e) => {
      try {
        const record = JSON.parse(e.data).data;
        news.textContent = `${record.workload} is now ${record.status}.`;
      } catch { /* the page itself still tells */ }
      read();
    });
    feed.addEventListener("status.updated", read);
    feed.addEventListener("resync", read);
  };

  times();
  setInterval(times, 10000);
  setInterval(read, 60000); // leases and receipts are not in the feed
  listen();
})();
