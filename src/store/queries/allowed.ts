/** The namespaces that a question is limited to by its asker's leave, as a parameter `@allowed`. */

interface Limited {
  readonly namespaces?: readonly string[];
}

/** For `json_each`; null = all. */
export function allowedParameter({ namespaces }: Limited): string | null {
  return namespaces === undefined ? null : JSON.stringify(namespaces);
}

/** Those asked for, as far as they are allowed; null = all. */
export function wantedNamespaces(
  filter: Limited & { readonly namespace?: string },
): readonly string[] | null {
  const { namespace, namespaces } = filter;
  if (namespace === undefined) return namespaces ?? null;
  return namespaces === undefined || namespaces.includes(namespace) ? [namespace] : [];
}
