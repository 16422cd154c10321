/** What the details are shown of. */
export type Selection =
  | { readonly kind: "host"; readonly name: string }
  | { readonly kind: "vnfc"; readonly id: string }
  | { readonly kind: "network"; readonly id: string }
  | { readonly kind: "sap"; readonly id: string };

export type Select = (selection: Selection) => void;

export function isSelected(selection: Selection | null, kind: Selection["kind"], id: string): boolean {
  if (selection?.kind !== kind) return false;
  return selection.kind === "host" ? selection.name === id : selection.id === id;
}
