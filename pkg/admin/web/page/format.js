// Numbers as people read them. "–" is what is not known.

export const none = "–";

// count is a number with three digits that matter.
export function count(n) {
  if (n >= 1e6) return trim(n / 1e6) + "M";
  if (n >= 1e4) return trim(n / 1e3) + "k";
  return trim(n);
}

function trim(n) {
  if (n === 0) return "0";
  if (n < 0.01) return "<0.01";
  return n < 10 ? String(Number(n.toFixed(n < 1 ? 2 : 1))) : n.toFixed(0);
}

export function bytes(n) {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (n < 1024 || unit === "GiB") return (unit === "B" ? n.toFixed(0) : n.toFixed(n < 100 ? 1 : 0)) + " " + unit;
    n /= 1024;
  }
}

export const bytesPerSecond = (n) => bytes(n) + "/s";

// seconds is a short time.
export function seconds(s) {
  if (!s) return none;
  if (s < 0.001) return (s * 1e6).toFixed(0) + " µs";
  if (s < 1) return (s * 1e3).toFixed(s < 0.01 ? 1 : 0) + " ms";
  return s.toFixed(s < 10 ? 1 : 0) + " s";
}

// age is a long time, in its two greatest units.
export function age(s) {
  s = Math.max(0, Math.round(s));
  const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  if (d) return `${d}d${h}h`;
  if (h) return `${h}h${m}m`;
  if (m) return `${m}m${s % 60}s`;
  return `${s}s`;
}

export const percent = (n) => (n * 100).toFixed(n < 0.1 ? 1 : 0) + " %";

export const clock = (date) => date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// number is one of a view's numbers.
export function number(n) {
  switch (n.unit) {
    case "bytes": return bytes(n.value);
    case "bytes_per_second": return bytesPerSecond(n.value);
    case "seconds": return seconds(n.value);
    case "seconds_per_second": return percent(n.value) + " of the time";
    case "time": return n.value ? new Date(n.value * 1000).toLocaleString() : none;
    case "per_second": {
      const rate = count(n.value) + "/s";
      return n.p50_seconds ? `${rate}, p50 ${seconds(n.p50_seconds)}, p99 ${seconds(n.p99_seconds)}` : rate;
    }
  }
  return count(n.value);
}
