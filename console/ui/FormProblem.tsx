import { Alert } from "@mantine/core";

/** The problem of a form that belongs to none of its fields. */
export function FormProblem({ children }: { children: string | undefined }) {
  return children ? (
    <Alert color="red" variant="light" role="alert" p="sm">
      {children}
    </Alert>
  ) : null;
}
