"""From a report's data to what people see: words in their language, charts, HTML, Markdown and CSV."""
