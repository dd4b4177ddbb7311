/* terminal.c -- ncurses: a screen of lines in, keys out.
 *
 * ncurses writes only what changed, knows the terminals and puts them back; the lines come finished,
 * so nothing else of it is used.
 *
 * A CRASH   leaves a terminal that shows nothing of what is typed. So the signals of a crash restore it
 * with what terminfo says (taken at the start, for a handler may only write), and are then raised
 * again as they were.
 */
#include "basketry/demo_io.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

#undef lines /* terminfo's macros are words of ours */
#undef columns

enum { ESCAPE_DELAY_MS = 25, RESTORE_BYTES = 256 };

static const int crashes[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL};

static struct {
    bool open, colours;
    SCREEN *screen;
    struct termios before;
    struct sigaction handler_before[BK_COUNTOF(crashes)];
    char restore[RESTORE_BYTES];
    size_t restore_len;
} term;

/* ---- crashes ---- */

static void on_crash(int number)
{
    for (size_t i = 0; i < BK_COUNTOF(crashes); i++)
        sigaction(crashes[i], &term.handler_before[i], NULL);
    if (write(STDOUT_FILENO, term.restore, term.restore_len) < 0) _exit(128 + number);
    tcsetattr(STDIN_FILENO, TCSANOW, &term.before);
    raise(number);
}

static void remember(const char *capability)
{
    const char *text = tigetstr(capability);
    if (!text || text == (const char *)-1) return;
    size_t len = strlen(text);
    if (term.restore_len + len > RESTORE_BYTES) return;
    memcpy(term.restore + term.restore_len, text, len);
    term.restore_len += len;
}

static void guard_against_crashes(void)
{
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_NODEFER};
    term.restore_len = 0;
    remember("sgr0");
    remember("rmcup");
    remember("cnorm");
    for (size_t i = 0; i < BK_COUNTOF(crashes); i++)
        sigaction(crashes[i], &action, &term.handler_before[i]);
}

/* ---- open and close ---- */

static bool says_something(const char *name)
{
    const char *value = getenv(name);
    return value && value[0];
}

bool bk_demo_locale(void)
{
    setlocale(LC_CTYPE, "");
    bool silent =
        !says_something("LC_ALL") && !says_something("LC_CTYPE") && !says_something("LANG");
    if (silent) setlocale(LC_CTYPE, "C.UTF-8");
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static void set_colours(void)
{
    static const short foreground[BK_DEMO_STYLE_COUNT] = {
        [BK_DEMO_PLAIN] = -1,        [BK_DEMO_BAR] = -1,
        [BK_DEMO_HEAD] = COLOR_CYAN, [BK_DEMO_FLASH] = COLOR_GREEN,
        [BK_DEMO_FAINT] = -1,        [BK_DEMO_NEW] = COLOR_GREEN,
        [BK_DEMO_UP] = COLOR_CYAN,   [BK_DEMO_DOWN] = COLOR_MAGENTA,
        [BK_DEMO_YOU] = COLOR_YELLOW};
    term.colours = !says_something("NO_COLOR") && has_colors();
    if (!term.colours) return;
    start_color();
    use_default_colors();
    for (short i = 1; i < BK_DEMO_STYLE_COUNT; i++) init_pair(i, foreground[i], -1);
}

int bk_demo_terminal_open(void)
{
    const char *kind = getenv("TERM");
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !kind || !kind[0] ||
        strcmp(kind, "dumb") == 0)
        return BK_EUNAVAILABLE;
    if (tcgetattr(STDIN_FILENO, &term.before) < 0) return BK_EUNAVAILABLE;
    term.screen = newterm(NULL, stdout, stdin);
    if (!term.screen) return BK_EUNAVAILABLE;
    set_term(term.screen);
    set_escdelay(ESCAPE_DELAY_MS);
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    set_colours();
    guard_against_crashes();
    term.open = true;
    return BK_OK;
}

void bk_demo_terminal_close(void)
{
    if (!term.open) return;
    term.open = false;
    endwin();
    delscreen(term.screen);
    for (size_t i = 0; i < BK_COUNTOF(crashes); i++)
        sigaction(crashes[i], &term.handler_before[i], NULL);
}

/* ---- drawing ---- */

void bk_demo_terminal_size(uint32_t *columns, uint32_t *rows)
{
    *columns = (uint32_t)getmaxx(stdscr);
    *rows = (uint32_t)getmaxy(stdscr);
}

void bk_demo_terminal_resized(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
        resizeterm(size.ws_row, size.ws_col);
    clearok(stdscr, TRUE);
}

static attr_t attributes_of(unsigned style)
{
    static const attr_t attributes[BK_DEMO_STYLE_COUNT] = {
        [BK_DEMO_BAR] = A_REVERSE, [BK_DEMO_HEAD] = A_BOLD, [BK_DEMO_FLASH] = A_BOLD,
        [BK_DEMO_FAINT] = A_DIM,   [BK_DEMO_NEW] = A_BOLD,  [BK_DEMO_YOU] = A_BOLD};
    return attributes[style] | (term.colours ? (attr_t)COLOR_PAIR(style) : 0);
}

static void draw_line(const struct bk_demo_line *line, int row)
{
    uint32_t from = 0;
    move(row, 0);
    for (uint32_t i = 0; i < line->span_count; i++) {
        attrset((int)attributes_of(line->span[i].style));
        addnstr(line->text + from, (int)(line->span[i].end - from));
        from = line->span[i].end;
    }
}

void bk_demo_terminal_draw(const struct bk_demo_screen *screen)
{
    for (uint32_t row = 0; row < screen->rows; row++) draw_line(&screen->line[row], (int)row);
    attrset(A_NORMAL);
    refresh();
}

/* ---- keys ---- */

int bk_demo_terminal_key(void)
{
    int key = getch();
    switch (key) {
    case ERR:
        return BK_DEMO_KEY_NONE;
    case '\t':
    case KEY_RIGHT:
        return BK_DEMO_KEY_TAB;
    case '\r':
    case '\n':
    case KEY_ENTER:
        return BK_DEMO_KEY_ENTER;
    case KEY_UP:
        return BK_DEMO_KEY_UP;
    case KEY_DOWN:
        return BK_DEMO_KEY_DOWN;
    case KEY_BACKSPACE:
    case 8:
    case 127:
        return BK_DEMO_KEY_BACKSPACE;
    case BK_DEMO_KEY_ESCAPE:
        return BK_DEMO_KEY_ESCAPE;
    default:
        return key >= 32 && key < 127 ? key : BK_DEMO_KEY_OTHER;
    }
}
