/**
 * YAML inside telemetry: the mesh's configuration comes as text in a ConfigMap. The parser was made for
 * friendly text and takes time that grows with the square of some inputs. So size is bounded, of one text
 * and of a whole request, and what no configuration has (aliases, anchors, tags, deep nesting) is refused
 * before it is parsed.
 */
import { parseDocument } from "yaml";
import type { Us } from "../../model/time.ts";
import { isObject, type Json } from "../json.ts";

/** A real one has some kilobytes. */
const maxLength = 32_768;
/** All texts of one request together. */
const maxRequestLength = 65_536;
const maxBrackets = 1_024;
/** An anchor, an alias or a tag where a value or a key may begin. */
const unwanted = /(?:^|[\s[{,])(?:[&*][\w-]|!)/;

export class YamlTexts {
  #requestUs: Us = 0;
  #length = 0;

  /** The map that a text holds; null when it is too much, no YAML, or no map. */
  parse(text: string, receivedUs: Us): Json {
    if (receivedUs !== this.#requestUs) {
      this.#requestUs = receivedUs;
      this.#length = 0;
    }
    if (text.length > maxLength || this.#length + text.length > maxRequestLength) return null;
    if (unwanted.test(text) || bracketsIn(text) > maxBrackets) return null;
    this.#length += text.length;
    return parseMap(text);
  }
}

function bracketsIn(text: string): number {
  let count = 0;
  for (const character of text) if (character === "[" || character === "{") count++;
  return count;
}

function parseMap(text: string): Json {
  try {
    // Telling repeated keys apart costs the square of their number.
    const document = parseDocument(text, { uniqueKeys: false, strict: false, logLevel: "silent" });
    if (document.errors.length > 0) return null;
    const value: Json = document.toJS({ maxAliasCount: 0 });
    return isObject(value) ? value : null;
  } catch {
    return null; // nested too deeply, or an alias after all: the caller counts it
  }
}
