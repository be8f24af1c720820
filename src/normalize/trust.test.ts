import { expect, test } from "vitest";
import { TrustPolicy, trustOf, type TrustEntry } from "./trust.ts";

const entry = (fields: Partial<TrustEntry>): TrustEntry => ({
  listener: "",
  client: "",
  origin: "",
  level: "attested",
  ...fields,
});
const levelBy = (...entries: TrustEntry[]) => {
  const policy = new TrustPolicy(entries);
  return (listener: "grpc" | "http", client: string, origin: string) =>
    trustOf(policy.of({ listener, client }), origin);
};

test("without any entry everybody is attested, and one entry closes that", () => {
  expect(levelBy()("grpc", "", "")).toBe("attested");
  const level = levelBy(entry({ origin: "scrape" }));
  expect(level("grpc", "", "scrape")).toBe("attested");
  expect(level("grpc", "", "otlp")).toBe("claimed");
  expect(level("grpc", "", "")).toBe("claimed");
});

test("listener, certificate and origin must all fit, and the first entry that does counts", () => {
  const level = levelBy(
    entry({ origin: "otlp", level: "claimed" }),
    entry({ client: "collector", listener: "grpc", level: "verified" }),
    entry({ listener: "http" }),
  );
  expect(level("grpc", "collector", "scrape")).toBe("verified");
  expect(level("grpc", "collector", "otlp")).toBe("claimed");
  expect(level("grpc", "another", "scrape")).toBe("claimed");
  expect(level("http", "collector", "scrape")).toBe("attested");
  expect(level("http", "", "otlp")).toBe("claimed");
});

test("who comes with ever other certificates is told the same as before", () => {
  const level = levelBy(entry({ client: "collector" }));
  for (let index = 0; index < 2_500; index++) expect(level("grpc", `${index}`, "")).toBe("claimed");
  expect(level("grpc", "collector", "")).toBe("attested");
});
