export default { title: "access" } as const;
