// Signs events as hstore does where HSTORE_KEY is set, and checks those of others; docs/other-languages.md explains it.
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { BSON, Binary } from "mongodb";

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const bytes = (binary) => Buffer.from(binary.buffer.subarray(0, binary.position));
const TYPED = { promoteValues: false, promoteBuffers: false }; // 1 and 1.0 differ in a digest, as they do in BSON

// Return the keys that HSTORE_KEY names: a file, or base64, or several with commas between. The first one signs.
export function readKeys(value) {
  if (value === undefined) return [];
  const parts = value.split(",").flatMap((part) => (existsSync(part) ? readFileSync(part, "utf8").split("\n") : [part]));
  const keys = parts.map((part) => part.trim()).filter((part) => part && !part.startsWith("#"));
  const found = keys.map((text) => Buffer.from(text, "base64"));
  if (!found.length || found.some((key) => key.length < 32)) throw new Error("HSTORE_KEY holds no key of 32 bytes");
  return found.map((key) => ({ id: sha256(key).subarray(0, 8), key }));
}

// Return what stands for a number of bytes or items in msgpack: [largest length, its first byte, bytes of the length].
function head(length, ...forms) {
  const [, first, size] = forms.find(([most]) => length <= most);
  if (!size) return Buffer.from([first + length]);
  const buffer = Buffer.alloc(1 + size);
  buffer[0] = first;
  buffer.writeUIntBE(length, 1, size);
  return buffer;
}

function packInt(value) {
  if (value >= 0n) {
    if (value < 128n) return Buffer.from([Number(value)]);
    for (const [bits, first] of [[8n, 0xcc], [16n, 0xcd], [32n, 0xce], [64n, 0xcf]])
      if (value < 1n << bits) return Buffer.concat([Buffer.from([first]), big(value, bits)]);
  }
  if (value >= -32n) return Buffer.from([Number(256n + value)]);
  for (const [bits, first] of [[8n, 0xd0], [16n, 0xd1], [32n, 0xd2], [64n, 0xd3]])
    if (value >= -(1n << (bits - 1n))) return Buffer.concat([Buffer.from([first]), big(value, bits)]);
}

const big = (value, bits) => Buffer.from(BigInt.asUintN(Number(bits), value).toString(16).padStart(Number(bits) / 4, "0"), "hex");

function packDouble(value) {
  const buffer = Buffer.alloc(9, 0xcb);
  buffer.writeDoubleBE(value, 1);
  return buffer;
}

const milliseconds = (date) => big(BigInt(date.getTime()), 64n);

// Return the msgpack of a value as BSON holds it, read with TYPED.
function pack(value) {
  if (value === null || value === undefined) return Buffer.from([0xc0]);
  if (typeof value === "boolean") return Buffer.from([value ? 0xc3 : 0xc2]);
  if (typeof value === "string") {
    const text = Buffer.from(value);
    return Buffer.concat([head(text.length, [31, 0xa0, 0], [255, 0xd9, 1], [65535, 0xda, 2], [2 ** 32, 0xdb, 4]), text]);
  }
  if (value instanceof Date) return Buffer.concat([Buffer.from([0xd7, 1]), milliseconds(value)]);
  if (Array.isArray(value))
    return Buffer.concat([head(value.length, [15, 0x90, 0], [65535, 0xdc, 2], [2 ** 32, 0xdd, 4]), ...value.map(pack)]);
  if (value._bsontype === "Double") return packDouble(value.value);
  if (value._bsontype === "Int32") return packInt(BigInt(value.value));
  if (value._bsontype === "Long") return packInt(value.toBigInt());
  if (value._bsontype === "Binary" || value._bsontype === "UUID") {
    const content = bytes(value);
    if (value.sub_type === 4) return Buffer.concat([Buffer.from([0xd8, 2]), content]);
    return Buffer.concat([head(content.length, [255, 0xc4, 1], [65535, 0xc5, 2], [2 ** 32, 0xc6, 4]), content]);
  }
  if (value._bsontype) throw new TypeError(`this example digests no ${value._bsontype}`);
  const fields = Object.entries(value);
  const size = head(fields.length, [15, 0x80, 0], [65535, 0xde, 2], [2 ** 32, 0xdf, 4]);
  return Buffer.concat([size, ...fields.flatMap(([name, field]) => [pack(name), pack(field)])]);
}

// Return the digest of *event*, which follows what has the digest *after*.
export function digest(event, after) {
  const typed = BSON.deserialize(BSON.serialize(event), TYPED);
  const data = Object.keys(typed.data).sort().map((name) => [name, typed.data[name]]);
  const { tid, ver, type, v, at, by } = typed;
  const { exp, id: _id } = typed.origin ?? { exp: typed.exp, id: typed._id }; // a fork has copies with the same digests
  const id = Buffer.concat([Buffer.from([0xc4, 16]), bytes(_id)]);
  const fields = [exp, tid, ver, type, v].map(pack);
  const rest = [packInt(BigInt(at.getTime())), pack(by), pack(data)];
  return sha256(after, Buffer.concat([Buffer.from([0x99]), id, ...fields, ...rest]));
}

const macOf = ({ key }, created, content) => createHmac("sha256", key).update(bytes(created)).update(content).digest();

// Return *events*, which follow what has the digest *after*, each with a signature by the first of *keys*.
export function signed(events, after, created, keys) {
  return events.map((event) => {
    after = digest(event, after);
    return { ...event, mac: { key: new Binary(keys[0].id), mac: new Binary(macOf(keys[0], created, after)) } };
  });
}

// Return the digest of a *chain*, read with TYPED, whose last event must be signed by one of *keys*.
export function checked(chain, created, keys) {
  const content = chain.reduce((after, event) => digest(event, after), Buffer.alloc(0));
  const { mac } = chain.at(-1);
  const key = mac && keys.find(({ id }) => id.equals(bytes(mac.key)));
  if (!key || !timingSafeEqual(bytes(mac.mac), macOf(key, created, content)))
    throw new Error(`event ${chain.at(-1).ver} of trial ${chain.at(-1).tid ?? "none"} is not signed with a key of HSTORE_KEY`);
  return content;
}

export { TYPED };
