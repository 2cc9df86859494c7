export default { title: "operations" } as const;
