//! The roles that are printed, in Playwright's words, and what the rules say about each as a class.

macro_rules! roles {
    ($($name:ident = $word:literal),* $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Role { $($name),* }

        impl Role {
            pub(super) fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }

            pub(super) fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$name),)* _ => None }
            }
        }
    };
}

roles! {
    Alert = "alert", AlertDialog = "alertdialog", Application = "application", Article = "article",
    Banner = "banner", Blockquote = "blockquote", Button = "button", Caption = "caption", Cell = "cell",
    Checkbox = "checkbox", Code = "code", ColumnHeader = "columnheader", Combobox = "combobox",
    Complementary = "complementary", ContentInfo = "contentinfo", Definition = "definition",
    Deletion = "deletion", Dialog = "dialog", Directory = "directory", Document = "document",
    Emphasis = "emphasis", Feed = "feed", Figure = "figure", Form = "form", Generic = "generic", Grid = "grid",
    GridCell = "gridcell", Group = "group", Heading = "heading", Iframe = "iframe", Img = "img",
    Insertion = "insertion", Link = "link", List = "list", Listbox = "listbox", ListItem = "listitem",
    Log = "log", Main = "main", Mark = "mark", Marquee = "marquee", Math = "math", Meter = "meter",
    Menu = "menu", Menubar = "menubar", MenuItem = "menuitem", MenuItemCheckbox = "menuitemcheckbox",
    MenuItemRadio = "menuitemradio", Navigation = "navigation", Note = "note", Option = "option",
    Paragraph = "paragraph", ProgressBar = "progressbar", Radio = "radio", RadioGroup = "radiogroup",
    Region = "region", Row = "row", RowGroup = "rowgroup", RowHeader = "rowheader",
    ScrollBar = "scrollbar", Search = "search", Searchbox = "searchbox", Separator = "separator",
    Slider = "slider", SpinButton = "spinbutton", Status = "status", Strong = "strong",
    Subscript = "subscript", Superscript = "superscript", Switch = "switch", Tab = "tab",
    Table = "table", TabList = "tablist", TabPanel = "tabpanel", Term = "term", Textbox = "textbox",
    Time = "time", Timer = "timer", Toolbar = "toolbar", Tooltip = "tooltip", Tree = "tree",
    TreeGrid = "treegrid", TreeItem = "treeitem",
}

impl Role {
    /// Takes an input or acts on one click; a link does neither for the rules.
    pub(super) fn is_control(self) -> bool {
        self.is_entry()
            || matches!(
                self,
                Self::Button
                    | Self::Checkbox
                    | Self::Radio
                    | Self::Switch
                    | Self::Slider
                    | Self::Listbox
                    | Self::Tab
                    | Self::MenuItem
                    | Self::MenuItemCheckbox
                    | Self::MenuItemRadio
            )
    }

    /// A field that somebody types into or chooses from. What it is called says what it is for.
    pub(super) fn is_entry(self) -> bool {
        matches!(
            self,
            Self::Textbox | Self::Searchbox | Self::Combobox | Self::SpinButton
        )
    }

    /// Six of them side by side are a repetition: shortcuts, days, facets. Fields and tabs never are.
    pub(super) fn repeats_by_six(self) -> bool {
        self.is_control()
            && !self.is_entry()
            && !matches!(self, Self::Tab | Self::Listbox | Self::Slider)
    }

    pub(super) fn is_landmark(self) -> bool {
        matches!(
            self,
            Self::Banner
                | Self::Complementary
                | Self::ContentInfo
                | Self::Form
                | Self::Main
                | Self::Navigation
                | Self::Region
                | Self::Search
        )
    }

    pub(super) fn is_dialog(self) -> bool {
        matches!(self, Self::Dialog | Self::AlertDialog)
    }

    pub(super) fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::Grid | Self::TreeGrid)
    }

    pub(super) fn is_cell(self) -> bool {
        matches!(
            self,
            Self::Cell | Self::GridCell | Self::ColumnHeader | Self::RowHeader
        )
    }

    /// N4: running text and what marks it up.
    pub(super) fn is_prose(self) -> bool {
        matches!(
            self,
            Self::Paragraph | Self::Blockquote | Self::Caption | Self::Separator
        ) || self.is_mark()
    }

    /// Prose inside a line.
    pub(super) fn is_mark(self) -> bool {
        matches!(
            self,
            Self::Code
                | Self::Definition
                | Self::Deletion
                | Self::Emphasis
                | Self::Insertion
                | Self::Mark
                | Self::Math
                | Self::Strong
                | Self::Subscript
                | Self::Superscript
                | Self::Term
                | Self::Time
        )
    }

    /// N13: what says how things go just now.
    pub(super) fn is_passing(self) -> bool {
        matches!(
            self,
            Self::Status
                | Self::Log
                | Self::Timer
                | Self::Marquee
                | Self::Tooltip
                | Self::ProgressBar
                | Self::ScrollBar
        )
    }

    /// Has no name, whatever the page calls it.
    pub(super) fn is_nameless(self) -> bool {
        matches!(
            self,
            Self::Caption
                | Self::Code
                | Self::Definition
                | Self::Deletion
                | Self::Emphasis
                | Self::Generic
                | Self::Iframe
                | Self::Insertion
                | Self::Mark
                | Self::Paragraph
                | Self::Strong
                | Self::Subscript
                | Self::Superscript
                | Self::Term
                | Self::Time
        )
    }

    /// N9. A tab panel is called what the tab is called that somebody chose.
    pub(super) fn has_label(self) -> bool {
        self.is_control()
            || self.is_landmark()
            || self.is_dialog()
            || self.is_table()
            || matches!(
                self,
                Self::ColumnHeader
                    | Self::RowHeader
                    | Self::Group
                    | Self::RadioGroup
                    | Self::TabList
                    | Self::Toolbar
                    | Self::Menu
                    | Self::Menubar
                    | Self::Tree
            )
    }

    /// N14: says nothing when it holds nothing.
    pub(super) fn goes_when_empty(self) -> bool {
        matches!(
            self,
            Self::Group
                | Self::Figure
                | Self::RowGroup
                | Self::Note
                | Self::Generic
                | Self::Document
                | Self::Application
        )
    }

    /// An item of its own kind, whose text and picture have a slot in the shape.
    pub(super) fn is_item(self) -> bool {
        matches!(self, Self::ListItem | Self::Article | Self::Figure)
    }

    /// Nothing inside is shown: the name says it all.
    pub(super) fn is_leaf(self) -> bool {
        (self.is_control() && !matches!(self, Self::Combobox | Self::Listbox | Self::MenuItem))
            || matches!(
                self,
                Self::Img | Self::Option | Self::Meter | Self::Alert | Self::Iframe
            )
    }
}
