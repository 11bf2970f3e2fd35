// Words for what is shown, pure. Text of agents is data: nothing of it may become a link or an icon.
// Knows no editor.

/** Makes text harmless where the editor draws `$(name)` as an icon: status bar, quick picks. */
export function withoutIcons(text: string): string {
  return text.replace(/\$\(([\w-]+(?:~\w+)?)\)/g, '\\$($1)');
}

/** Makes text harmless where the editor draws `[label](address)` as a link: messages. */
export function withoutLinks(text: string): string {
  return text.replace(/\]\(/g, '] (');
}

export function shortened(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}

export function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}

/** A time span such as `12 s`, `3 min` or `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 10 && whole % 60 > 0) return `${minutes} min ${whole % 60} s`;
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The time that has gone by since a moment, which is in seconds since the epoch. */
export function since(moment: number): string {
  return duration(Date.now() / 1000 - moment);
}

/** The same in whole minutes, for what has buttons and so is not to be drawn each second. */
export function minutesSince(moment: number): string {
  const seconds = Date.now() / 1000 - moment;
  return seconds < 60 ? '' : duration(Math.floor(seconds / 60) * 60);
}

export function changed(file: { added: number; removed: number }): string {
  return `+${file.added} −${file.removed}`;
}
