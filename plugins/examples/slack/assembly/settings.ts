import { Kind, Value, config } from "sgstreamd";

/** The operator's table plugins.<name>.config. */
export class Settings {
  /** Where Slack's Web API is, without a slash at its end. */
  baseUrl: string = "https://slack.com/api";
  /** How long the text of a message to Slack may be, in characters. */
  maxChars: i32 = 4000;
  unfurlLinks: bool = true;
  /** Whether a message that may have been delivered already is rejected. */
  rejectInDoubt: bool = false;
}

/** Slack cuts what is longer. */
const HARD_LIMIT: i64 = 40000;

/** Reads the configuration; it was looked at by `refusal` before. */
export function settings(): Settings {
  const s = new Settings();
  const c = config();
  const url = c.textOf("base_url");
  if (url.length) s.baseUrl = url.endsWith("/") ? url.substring(0, url.length - 1) : url;
  const most = c.get("max_chars");
  if (most.exists) s.maxChars = <i32>most.int;
  const unfurl = c.get("unfurl_links");
  if (unfurl.exists) s.unfurlLinks = unfurl.bool;
  s.rejectInDoubt = c.textOf("in_doubt") == "reject";
  return s;
}

/** Why a configuration can't be, in a line; null if it can. */
export function refusal(c: Value): string | null {
  const url = c.get("base_url");
  if (url.exists && !url.text.startsWith("https://") && !url.text.startsWith("http://")) {
    return "base_url is no URL; write one such as \"https://slack.com/api\"";
  }
  const most = c.get("max_chars");
  if (most.exists && (most.kind != Kind.INT || most.int < 100 || most.int > HARD_LIMIT)) {
    return "max_chars is not a number from 100 to 40000; Slack recommends 4000";
  }
  const unfurl = c.get("unfurl_links");
  if (unfurl.exists && unfurl.kind != Kind.BOOL) return "unfurl_links is neither true nor false";
  const doubt = c.get("in_doubt");
  if (doubt.exists && !doubt.is("send") && !doubt.is("reject")) return "in_doubt is neither \"send\" nor \"reject\"";
  return null;
}
